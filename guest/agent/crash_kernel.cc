// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/crash_kernel.h"

#include <fcntl.h>
#include <linux/kexec.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "guest/agent/report.h"
#include "guest/agent/unique_fd.h"

namespace rig::guest {
namespace {

// A file as it is in memory, without a copy of it.
class MappedWhole {
 public:
  MappedWhole(const std::string& path, Done& error) {
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!fd.valid() || fstat(fd.get(), &status) != 0) {
      error = failure(errno, "open", path);
      return;
    }
    size_ = static_cast<std::size_t>(status.st_size);
    bytes_ = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (bytes_ == MAP_FAILED) error = failure(errno, "mmap", path);
  }
  MappedWhole(const MappedWhole&) = delete;
  ~MappedWhole() {
    if (bytes_ != MAP_FAILED) munmap(bytes_, size_);
  }

  const void* bytes() const { return bytes_; }
  std::size_t size() const { return size_; }

 private:
  void* bytes_ = MAP_FAILED;
  std::size_t size_ = 0;
};

}  // namespace

// The command line is counted with its NUL (kexec_file_load(2)).
Done load_crash_kernel(const LoadCrashKernel& request) {
  const UniqueFd kernel(open(request.kernel.c_str(), O_RDONLY | O_CLOEXEC));
  if (!kernel.valid()) return failure(errno, "open", request.kernel);
  const UniqueFd initramfs(open(request.initramfs.c_str(), O_RDONLY | O_CLOEXEC));
  if (!initramfs.valid()) return failure(errno, "open", request.initramfs);
  if (syscall(SYS_kexec_file_load, kernel.get(), initramfs.get(), request.cmdline.size() + 1,
              request.cmdline.c_str(), KEXEC_FILE_ON_CRASH) != 0) {
    return failure(errno, "kexec_file_load", request.kernel);
  }
  // The kernel has its own copies; these are memory of the guest.
  unlink(request.kernel.c_str());
  unlink(request.initramfs.c_str());
  return {};
}

Done load_crash_segments(const LoadCrashSegments& request) {
  const std::size_t count = request.files.size() + request.blobs.size();
  if (request.places.size() != 2 * count) return failure(EINVAL, "kexec_load", "its places");
  std::vector<std::unique_ptr<MappedWhole>> files;
  std::vector<kexec_segment> segments;
  const auto add = [&](const void* bytes, std::size_t size) {
    const std::size_t at = 2 * segments.size();
    segments.push_back({.buf = bytes,
                        .bufsz = size,
                        .mem = reinterpret_cast<void*>(request.places[at]),
                        .memsz = request.places[at + 1]});
  };
  for (const std::string& path : request.files) {
    Done error;
    files.push_back(std::make_unique<MappedWhole>(path, error));
    if (failed(error)) return error;
    add(files.back()->bytes(), files.back()->size());
  }
  for (const std::string& blob : request.blobs) add(blob.data(), blob.size());
  if (syscall(SYS_kexec_load, request.entry, segments.size(), segments.data(),
              KEXEC_ON_CRASH | KEXEC_ARCH_DEFAULT) != 0) {
    return failure(errno, "kexec_load", std::to_string(segments.size()) + " segments");
  }
  for (const std::string& path : request.files) unlink(path.c_str());
  return {};
}

bool in_capture_kernel() {
  return access(kVmcorePath, F_OK) == 0;
}

}  // namespace rig::guest
