// SPDX-License-Identifier: Apache-2.0
#include "scenario/disk_image.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace rig::scenario {
namespace {

using namespace std::string_view_literals;

struct Magic {
  std::string_view format;
  std::string_view bytes;
  std::size_t offset = 0;
};
// First bytes, as QEMU's block/*.c probe for them.
constexpr Magic kMagics[] = {
    {"qcow2", "QFI\xfb"sv},  // docs/interop/qcow2.txt; version 1 is told apart below
    {"vmdk", "KDMV"sv},     {"vmdk", "# Disk DescriptorFile"sv},
    {"vhdx", "vhdxfile"sv}, {"vpc", "conectix"sv},
    {"qed", "QED\0"sv},     {"vdi", "\x7f\x10\xda\xbe"sv, 0x40},
};
constexpr std::size_t kHeaderSize = 512;
constexpr std::size_t kVersionOffset = 4;  // big-endian, 32 bits

std::string_view format_of(std::string_view header) {
  for (const Magic& magic : kMagics) {
    if (header.size() < magic.offset) continue;
    if (!header.substr(magic.offset).starts_with(magic.bytes)) continue;
    const bool is_qcow1 = magic.format == "qcow2" && header.size() > kVersionOffset + 3 &&
                          header[kVersionOffset + 3] == 1;
    return is_qcow1 ? "qcow" : magic.format;
  }
  return "raw";
}

}  // namespace

Result<std::string> disk_image_format(const fs::path& file) {
  // Not blocking: a FIFO in its place is refused below instead of waited for.
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  const std::string where = fmt::format("cannot read {}", file.string());
  if (!fd) return fail_errno(errno, where, Blame::kInput);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, where, Blame::kInput);
  if (!S_ISREG(info.st_mode)) {
    return fail(Blame::kInput, "{} is no regular file", file.string());
  }
  std::array<char, kHeaderSize> header{};
  const ssize_t got = ::pread(fd.get(), header.data(), header.size(), 0);
  if (got < 0) return fail_errno(errno, where, Blame::kInput);
  if (got == 0) return fail(Blame::kInput, "{} is empty", file.string());
  const auto format = format_of({header.data(), static_cast<std::size_t>(got)});
  if (format == "raw" || format == "qcow2") return std::string(format);
  return fail_hint(Blame::kInput,
                   fmt::format("qemu-img convert -O qcow2 {} NEW.qcow2", file.filename().string()),
                   "{} is a {} image; guests take raw and qcow2", file.string(), format);
}

}  // namespace rig::scenario
