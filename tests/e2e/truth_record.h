// SPDX-License-Identifier: Apache-2.0
// What a guest recorded about itself into its kernel's log (guest/stress/record): the lines
// "truth NAME: TEXT", and the kernel's own back traces of all tasks (sysrq-t).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rig::e2e {

// A line of /proc/PID/task/TID/stat; proc(5).
struct RecordedTask {
  std::string comm;
  char state = '?';
  std::uint64_t parent = 0;
  std::uint64_t vsize = 0;  // bytes
  std::uint64_t rss_pages = 0;
  std::uint64_t switches = 0;  // voluntary and not, before the back traces were taken
};

struct TruthRecord {
  std::uint64_t self = 0;                       // the recording program's pid
  std::map<std::uint64_t, RecordedTask> tasks;  // by thread id
  std::map<unsigned, std::string> fds;          // of the recording program, as readlink shows them
  // "function+0x12" for each line of a trace that the kernel's unwinder was sure of.
  std::map<std::uint64_t, std::vector<std::string>> traces;
  std::map<std::string, std::vector<std::string>> files;  // "/proc/modules" -> its lines
  std::map<std::string, std::uint64_t> module;  // what the module printed: "counter", "text" ...

  // "MemFree" of /proc/meminfo, in kB.
  std::optional<std::uint64_t> meminfo(std::string_view key) const;
};

TruthRecord read_truth(std::string_view log);

}  // namespace rig::e2e
