// SPDX-License-Identifier: Apache-2.0
// Which lines of a console are the kernel's, and which of them begin a report. Where the kernel
// stamps its lines ("[   12.345678] ", CONFIG_PRINTK_TIME or printk.time=1, as all of ours do), one
// without a stamp was printed by a program, whatever it says.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "crash/kernel_log.h"
#include "oops/report.h"

namespace rig::crash {

class ReportSense {
 public:
  struct Line {
    bool kernels = false;                         // else a program printed it
    std::optional<std::string_view> report = {};  // the kind of the report that begins here
  };

  // Lines in their order, each to one of these: until the first stamp every line may be the
  // kernel's.
  Line look(std::string_view line);
  bool is_kernels(std::string_view line);

 private:
  bool kernel_stamps_lines_ = false;
};

// What the kernel printed of a console's text: lines of programs are left empty, so that the others
// keep their numbers; stamped ones are a program's where the kernel's log denies them. What a
// program printed without an end stays in front of the kernel's line.
std::string kernels_lines(std::string_view console, const KernelLog& log = {});

}  // namespace rig::crash
