// SPDX-License-Identifier: Apache-2.0
#include "guest/stress/load.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "guest/protocol.h"

namespace rig::guest {

void Length::declare(Options& options) {
  options.number("--seconds", seconds, 1, 86400);
  options.number("--work", work);
}

std::string Length::text() const {
  return work == 0 ? std::to_string(seconds) + " s" : std::to_string(work) + " units of work";
}

Load::Load(std::string program) : program_(std::move(program)) {
  const char* number = std::getenv(kWorkFdVariable);
  if (number == nullptr) return;
  void* page =
      mmap(nullptr, kWorkPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, std::atoi(number), 0);
  static_assert(sizeof(*work_) == sizeof(std::uint64_t));
  if (page != MAP_FAILED) work_ = static_cast<std::atomic<std::uint64_t>*>(page);
}

void Load::stop() {
  {
    const std::lock_guard lock(stop_mutex_);
    stop_.store(true, std::memory_order_relaxed);
  }
  stopped_.notify_all();
}

void Load::begin(const Length& length) {
  if (length.work == 0) {
    end_ = Clock::now() + std::chrono::seconds(length.seconds);
  } else {
    most_work_ = length.work;
  }
}

void Load::wait() {
  wait_until(end_);
  stop();
}

bool Load::wait_until(Clock::time_point end) {
  std::unique_lock lock(stop_mutex_);
  // A condition variable's deadline must not be beyond what its clock can be converted to.
  end = std::min(end, Clock::now() + std::chrono::hours(24 * 365));
  return !stopped_.wait_until(lock, end, [this] { return stopping(); });
}

void Load::end(int exit_code, const char* what, int error) {
  int none = 0;
  if (exit_code_.compare_exchange_strong(none, exit_code)) {
    std::fprintf(stderr, "%s: %s%s%s\n", program_.c_str(), what, error != 0 ? ": " : "",
                 error != 0 ? std::strerror(error) : "");
  }
  stop();
}

}  // namespace rig::guest
