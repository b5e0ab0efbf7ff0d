// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/work_counter.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "guest/agent/report.h"

namespace rig::guest {

WorkCounter::WorkCounter() : fd_(memfd_create("crashrig-work", MFD_CLOEXEC)) {
  if (!fd_.valid() || ftruncate(fd_.get(), kWorkPageSize) != 0) {
    log(failure(errno, "memfd_create", "crashrig-work").what);
    return;
  }
  void* page = mmap(nullptr, kWorkPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
  if (page == MAP_FAILED) {
    log(failure(errno, "mmap", "crashrig-work").what);
    return;
  }
  count_ = static_cast<std::uint64_t*>(page);
}

std::uint64_t WorkCounter::value() const {
  return count_ == nullptr ? 0 : std::atomic_ref(*count_).load(std::memory_order_relaxed);
}

}  // namespace rig::guest
