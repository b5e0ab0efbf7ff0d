// SPDX-License-Identifier: Apache-2.0
// Who was in the middle of the allocator when the machine stopped, and what they hold: a slab that
// somebody is just setting up or moving is not corrupted.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"

namespace rig::analyzer {

struct AllocatorWork {
  std::string who;                   // "CPU 1", "task 42 (kworker/0:1)"
  std::vector<std::uint64_t> words;  // in its registers and on its stack
};

// All of them. Whoever stands where the allocator itself reports is none: what it reports is real.
using FindAllocatorWork = std::function<std::vector<AllocatorWork>()>;

// Asks only once, and only when something looks as if it were in flight.
class InFlight {
 public:
  explicit InFlight(FindAllocatorWork find) : find_(std::move(find)) {}

  // Who of them holds an address within [begin, begin + size).
  std::optional<std::string> holder(VirtAddr begin, std::uint64_t size);

 private:
  FindAllocatorWork find_;
  std::optional<std::vector<AllocatorWork>> work_;
};

}  // namespace rig::analyzer
