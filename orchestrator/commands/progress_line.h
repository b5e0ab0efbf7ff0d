// SPDX-License-Identifier: Apache-2.0
// Progress of work that is no run of guests: a live line on a terminal, elsewhere a plain line per
// step and every 20 s of a long one.
#pragma once

#include <cstdio>
#include <optional>
#include <string>

#include "base/deadline.h"
#include "base/progress.h"

namespace rig::commands {

class ProgressLine {
 public:
  ProgressLine(std::FILE* out, bool live) : out_(out), live_(live) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(const Progress& progress);
  void note(std::string_view text);  // a line that stays

 private:
  void clear();

  std::FILE* out_;
  bool live_;
  std::string step_;
  Stopwatch step_watch_;
  std::optional<Clock::time_point> shown_;
};

}  // namespace rig::commands
