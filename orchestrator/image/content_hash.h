// SPDX-License-Identifier: Apache-2.0
// SHA-256 over what a cached product was made from: the same inputs find it again.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"

namespace rig::image {

class ContentHash {
 public:
  ContentHash();
  ContentHash(ContentHash&&) noexcept;
  ~ContentHash();

  // Fields are separated: ("ab", "c") and ("a", "bc") differ.
  ContentHash& add(std::string_view field);
  Status add_file(const fs::path& path);

  // 64 hex digits. Ends the hash: add nothing afterwards.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rig::image
