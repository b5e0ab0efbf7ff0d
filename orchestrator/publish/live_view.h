// SPDX-License-Identifier: Apache-2.0
// What `crashrig run` shows while it works: on a terminal a line per running attempt that is
// redrawn in place, elsewhere one plain line per step. Any thread may call it.
//
// Nothing of the terminal's state is changed (no hidden cursor, no other screen): whatever ends the
// program, there is nothing to restore.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <ostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/deadline.h"
#include "base/progress.h"
#include "verdict/verdict.h"

namespace rig::publish {

struct TerminalSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

struct LiveOptions {
  bool terminal = false;  // redraw in place
  bool colour = false;
  bool ticking = true;  // a thread of its own redraws; otherwise tick() does
  std::function<Clock::time_point()> now = [] { return Clock::now(); };
  std::function<TerminalSize()> size = {};  // empty: asks the terminal behind stderr
};

class LiveView {
 public:
  LiveView(std::ostream& out, LiveOptions options);
  ~LiveView();  // shows what is still to be shown and removes the live lines
  LiveView(const LiveView&) = delete;
  LiveView& operator=(const LiveView&) = delete;

  // Work before and between attempts: fetching a kernel, building a module. Ends with the next
  // phase() or an empty step.
  void step(const Progress& progress);

  // Attempt `id` enters a phase: "boot", "inject", "wait", "capture", "analyze". `name` counts it
  // ("2/20"), `cell` is the cell's name.
  void phase(unsigned id, std::string_view name, std::string_view cell, std::string_view phase);
  // More about the phase: "38 % of 512 MB". Live lines only.
  void detail(unsigned id, std::string_view text);
  // The attempt ended; `good` says whether as expected. Leaves a line behind.
  void done(unsigned id, verdict::Outcome outcome, bool good, double seconds,
            std::string_view reason);
  // A line that stays: a warning, or what KVM's probe said.
  void note(std::string_view text);

  // Redraws if something changed or time passed, but not more often than ten times a second.
  void tick();

 private:
  struct Attempt {
    std::string name, cell, phase, detail;
    Clock::time_point began{}, phase_began{};
  };

  void leave(std::string line);  // adds a line that stays
  std::vector<std::string> live_lines() const;
  std::string attempt_line(const Attempt& attempt, std::size_t columns) const;
  void draw();
  TerminalSize size() const;
  std::string elapsed() const;

  std::ostream& out_;
  const LiveOptions options_;
  const Clock::time_point began_;
  std::mutex mutex_;
  std::map<unsigned, Attempt> attempts_;
  Progress step_;
  Clock::time_point step_began_{};
  std::vector<std::string> leaving_;  // lines that stay, not yet written
  std::size_t drawn_ = 0;             // live lines on the terminal now
  std::optional<Clock::time_point> last_draw_;
  std::jthread ticker_;  // last: stops before anything else goes
};

}  // namespace rig::publish
