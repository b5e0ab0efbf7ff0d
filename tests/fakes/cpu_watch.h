// SPDX-License-Identifier: Apache-2.0
// How much CPU time this process has used: what a test bounds, so that no busy machine fails it.
#pragma once

#include <ctime>

namespace rig::fake {

class CpuWatch {
 public:
  double seconds() const { return now() - start_; }

 private:
  static double now() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  }

  double start_ = now();
};

}  // namespace rig::fake
