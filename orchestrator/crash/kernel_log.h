// SPDX-License-Identifier: Apache-2.0
// What the kernel really logged, to hold the console against: a program can print a line with a
// kernel's stamp, and write it to /dev/kmsg too, but cannot make it the kernel's own record.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_set>

namespace rig::crash {

class KernelLog {
 public:
  // Nothing is known: nothing is denied.
  KernelLog() = default;
  // Lines as dmesg prints them, of the kernel's own records only. `whole`: up to the last line that
  // the console has had; else up to the last one that is here.
  KernelLog(std::string_view text, bool whole);

  // Does a line of the console claim a moment at which the kernel logged nothing? No for lines
  // without a stamp, and for moments that this log does not reach to: the ring keeps the last ones.
  bool denies(std::string_view line) const;

 private:
  std::unordered_set<std::uint64_t> moments_;  // microseconds
  std::uint64_t first_ = 0;
  std::uint64_t last_ = 0;
  bool whole_ = false;
};

}  // namespace rig::crash
