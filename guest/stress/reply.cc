// SPDX-License-Identifier: Apache-2.0
#include "guest/stress/reply.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace rig::guest {
namespace {

constexpr std::size_t kPage = 4096;  // at least; of a file that is mapped

}  // namespace

Reply::~Reply() {
  if (fd_ < 0) return;
  if (data_ != nullptr) munmap(const_cast<char*>(data_), size_);
  close(fd_);
}

bool Reply::set_up(Load& load, const std::string& file, std::size_t bytes) {
  size_ = bytes;
  if (file.empty()) {
    in_memory_.assign(bytes, 'r');
    data_ = in_memory_.data();
    return true;
  }
  fd_ = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) return load.fail_setup(file.c_str(), errno), false;
  if (lseek(fd_, 0, SEEK_END) < static_cast<off_t>(bytes)) {
    return load.fail_setup((file + " is shorter than the reply").c_str(), 0), false;
  }
  void* const start = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd_, 0);
  if (start == MAP_FAILED) return load.fail_setup(file.c_str(), errno), false;
  data_ = static_cast<const char*>(start);
  madvise(start, bytes, MADV_RANDOM);  // a page that is missing is read alone
  return true;
}

void Reply::forget() {
  if (fd_ < 0) return;
  const std::size_t middle = size_ / 2 / kPage * kPage;
  madvise(const_cast<char*>(data_) + middle, kPage, MADV_DONTNEED);
  posix_fadvise(fd_, static_cast<off_t>(middle), kPage, POSIX_FADV_DONTNEED);
}

}  // namespace rig::guest
