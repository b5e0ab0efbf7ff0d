// SPDX-License-Identifier: Apache-2.0
#include "vm/qemu/handed_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include "vm/qemu/disk_file.h"

namespace rig::vm::qemu {
namespace {

// A copy in memory, which everybody who has the descriptor may open again.
Result<UniqueFd> copy(const UniqueFd& file, const fs::path& path) {
  constexpr std::size_t kPiece = 16 << 20;
  UniqueFd memory(::memfd_create("crashrig", MFD_CLOEXEC));
  ssize_t sent = memory ? 1 : -1;
  while (sent > 0) sent = ::sendfile(memory.get(), file.get(), nullptr, kPiece);
  if (sent < 0) return fail_errno(errno, fmt::format("cannot copy {}", path.string()));
  return memory;
}

Result<UniqueFd> open_for_all(const fs::path& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) {
    return fail_errno(errno, fmt::format("cannot open {}", path.string()), Blame::kInput);
  }
  if ((status.st_mode & S_IROTH) != 0) return file;
  return copy(file, path);
}

class HandedFiles {
 public:
  // What QEMU calls it. It opens a disk twice, read-only first and then to write, which an -add-fd
  // set serves only with two descriptors; so it opens the descriptor's file again.
  std::string hand(UniqueFd file) {
    files_.push_back(std::move(file));
    return fmt::format("/proc/self/fd/{}", files_.back().get());
  }
  std::vector<UniqueFd> take() && { return std::move(files_); }

 private:
  std::vector<UniqueFd> files_;
};

}  // namespace

Result<std::vector<UniqueFd>> hand_files(const VmConfig& config, Wiring& wiring) {
  HandedFiles files;
  RIG_ASSIGN(UniqueFd kernel, open_for_all(config.kernel));
  wiring.kernel = files.hand(std::move(kernel));
  if (!config.initramfs.empty()) {
    RIG_ASSIGN(UniqueFd initramfs, open_for_all(config.initramfs));
    wiring.initramfs = files.hand(std::move(initramfs));
  }
  for (const scenario::Disk& each : config.disks) {
    if (!each.image.empty()) {
      wiring.disks.push_back(each.image.string());
      continue;
    }
    RIG_ASSIGN(UniqueFd disk, create_disk(each, config.stop));
    wiring.disks.push_back(files.hand(std::move(disk)));
  }
  return std::move(files).take();
}

Confinement confinement_of(const VmConfig& config, std::string_view accelerator) {
  constexpr std::uint64_t kOwnMemory = std::uint64_t{8} << 30;  // code, stacks, translated code
  constexpr std::uint64_t kBesideMemory = 256 << 20;            // in an ELF core: headers, firmware
  Confinement confinement{.address_space = config.memory_bytes + kOwnMemory};
  std::uint64_t largest = config.memory_bytes + kBesideMemory;
  for (const scenario::Disk& disk : config.disks) {
    if (!disk.image.empty()) return confinement;
    largest = std::max(largest, disk.bytes);
  }
  confinement.file_size = largest;
  confinement.account = unprivileged_account();
  struct stat device {};
  if (accelerator == "kvm" && ::stat("/dev/kvm", &device) == 0) {
    confinement.device_group = device.st_gid;
  }
  return confinement;
}

}  // namespace rig::vm::qemu
