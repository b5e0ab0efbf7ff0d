// SPDX-License-Identifier: Apache-2.0
// One console line without what the way to us put before it.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace rig::oops {

struct Line {
  std::string_view text;        // what the kernel printed, without spaces at its end
  std::string_view caller;      // "T123" or "C1" where the kernel says who printed (PRINTK_CALLER)
  bool stamped = false;         // carries the kernel's own timestamp: not printed by a program
  std::string_view stamp = {};  // "12.345678" where it is printk's seconds
};

// Knows: printk's "[   12.345678] " and "[   12.345678][  T123] ", "<4>", dmesg -T's date,
// syslog's and journald's "Mar  1 12:00:00 host kernel: ", and /dev/kmsg's "4,123,456789,-;".
Line read_line(std::string_view raw);

// Lines that were pasted without their ends, "[1.000001] a[1.000002] b[1.000003] c", one by one; a
// line with fewer stamps as it is (two that were printed over each other cannot be told apart).
std::vector<std::string_view> unpasted(std::string_view raw);

// Gives the lines of a text one after another without copying; '\r' at an end is dropped.
class LineReader {
 public:
  explicit LineReader(std::string_view text, std::size_t offset = 0)
      : text_(text), offset_(offset) {}
  bool next(std::string_view& line);
  std::size_t offset() const { return offset_; }  // of the line after the last one given

 private:
  std::string_view text_;
  std::size_t offset_;
};

}  // namespace rig::oops
