// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "guest/agent/unique_fd.h"

namespace rig::guest {

// The page of memory in which programs count the work they do (see kWorkFdVariable).
class WorkCounter {
 public:
  // Without memory for it, the counter stays at 0 and fd() is -1.
  WorkCounter();

  int fd() const { return fd_.get(); }
  std::uint64_t value() const;

 private:
  UniqueFd fd_;
  std::uint64_t* count_ = nullptr;
};

}  // namespace rig::guest
