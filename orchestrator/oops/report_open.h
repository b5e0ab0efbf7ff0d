// SPDX-License-Identifier: Apache-2.0
// A report whose lines are still coming.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "oops/report.h"
#include "oops/report_body.h"
#include "oops/report_formats.h"
#include "oops/report_lines.h"
#include "oops/report_log.h"

namespace rig::oops {

// The line that begins a report, kept for as long as the report is open.
class FirstLine {
 public:
  FirstLine(std::string_view text, const Start& start);
  FirstLine(const FirstLine&) = delete;  // the captures are views into the text
  FirstLine& operator=(const FirstLine&) = delete;

  std::string_view text() const { return text_; }
  const Start& start() const { return start_; }

 private:
  std::string text_;
  Start start_;
};

class OpenReport {
 public:
  // `line` begins it, as `start` says; it is line `number` of the log.
  OpenReport(const Line& line, const Start& start, std::size_t number);
  OpenReport(const OpenReport&) = delete;
  OpenReport& operator=(const OpenReport&) = delete;

  // Is the line of whoever prints this report, as far as one can tell?
  bool may_own(const Line& line) const;
  // Does the first line of a report belong to this one?
  bool continues(const Start& next) const;

  // The next line has that effect.
  void note(Effect effect);

  enum class Takes { kMore, kEnough };
  Takes feed(const Line& line, std::size_t number);
  // The same for the first line of a report that continues this one.
  Takes feed_start(const Line& line, const Start& next, std::size_t number);
  // Another report has begun, and its ruler with it.
  void drop_ruler() { ruler_.reset(); }
  // Another report has begun; true when this one still waits for its stack, and can tell its lines.
  bool waits() const { return !caller_.empty() && !body_.has_stack(); }

  // Its end was seen.
  bool ended() const { return body_.ended() && body_.has_stack(); }

  Report finish();

 private:
  const Start& start() const { return first_.start(); }
  const Start& naming() const { return splat_ ? splat_->start() : first_.start(); }
  bool announces() const { return start().format->role == Role::kMessage; }
  bool take(const Line& line, std::size_t number);
  void close_with_ruler();
  void name_function(const Start& start);
  struct Name {
    std::string title;  // "corrupted" where nobody was found
    bool certain;
  };
  Name name_guilty();
  Captures title_values() const;
  std::string cut_title() const;
  void find_alternatives(const Captures& values);

  FirstLine first_;
  std::optional<FirstLine> splat_;  // names it instead of the message that announced it
  std::string caller_;              // whose lines it takes; empty: one cannot tell
  bool stamped_;                    // its lines carry the kernel's timestamps
  Report report_;
  BodyParser body_;
  std::optional<Frame> named_;
  std::string below_;         // the line below the first
  bool needed_seen_ = false;  // Spelling::needs
  std::size_t lines_ = 1;     // of its own, so far
  std::size_t foreign_ = 0;   // in a row, between two that belong
  std::optional<std::size_t>
      ruler_;                      // a line of dashes right behind it: its end, or the next's begin
  bool traced_elsewhere_ = false;  // the others were asked for their stacks
};

}  // namespace rig::oops
