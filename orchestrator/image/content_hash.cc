// SPDX-License-Identifier: Apache-2.0
#include "image/content_hash.h"

#include <openssl/evp.h>

#include "base/text.h"
#include "image/boot_image.h"

namespace rig::image {

struct ContentHash::State {
  struct Free {
    void operator()(EVP_MD_CTX* its) const { EVP_MD_CTX_free(its); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

ContentHash::ContentHash() : state_(std::make_unique<State>()) {
  EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr);
}
ContentHash::ContentHash(ContentHash&&) noexcept = default;
ContentHash::~ContentHash() = default;

ContentHash& ContentHash::add(std::string_view field) {
  const std::string size = fmt::format("{}:", field.size());
  EVP_DigestUpdate(state_->context.get(), size.data(), size.size());
  EVP_DigestUpdate(state_->context.get(), field.data(), field.size());
  return *this;
}

Status ContentHash::add_file(const fs::path& path) {
  RIG_ASSIGN(const MappedFile file, MappedFile::open(path));
  add(as_text(file.bytes()));
  return {};
}

std::string ContentHash::finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(state_->context.get(), digest, &size);
  return hex_digits(std::as_bytes(std::span(digest, size)));
}

Result<std::string> file_sha256(const fs::path& path) {
  RIG_ASSIGN(const MappedFile file, MappedFile::open(path));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(file.bytes().data(), file.bytes().size(), digest, &size, EVP_sha256(), nullptr) !=
      1) {
    return fail(Blame::kRig, "cannot hash {}", path.string());
  }
  return hex_digits(std::as_bytes(std::span(digest, size)));
}

}  // namespace rig::image
