// SPDX-License-Identifier: Apache-2.0
// What stands below a report's first line: task, registers, accesses, stacks, its end.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oops/report.h"
#include "oops/report_pattern.h"
#include "oops/report_stack.h"
#include "oops/report_trail.h"

namespace rig::oops {

// Puts named groups into the fields of a report that are still empty.
void fill_fields(const Captures& captures, Report& report);

// Takes a report's lines one after another.
class BodyParser {
 public:
  // `page_fault`: the error code of an oops says what was accessed.
  BodyParser(Report& report, bool page_fault) : report_(report), page_fault_(page_fault) {}

  // True when the line belongs to a report (it says something, or separates its parts).
  bool feed(std::string_view text);
  // "---[ end trace" was seen: what may follow is a repetition of registers, and the panic.
  bool ended() const { return ended_; }
  // What still comes says nothing of where it happened.
  void close_trail() { trail_closed_ = true; }
  // Frames of a stack under a heading were seen.
  bool has_stack() const { return has_stack_; }

  const Trail& trail() const { return trail_; }
  std::size_t lines() const { return line_; }
  const std::optional<Frame>& program_counter() const { return pc_; }
  const std::vector<Frame>& stack() const { return main_; }
  const std::vector<Frame>& allocated() const { return allocated_; }
  const std::vector<Frame>& freed() const { return freed_; }

 private:
  bool feed_stack(std::string_view text);
  bool feed_program_counter(std::string_view text);
  bool feed_registers(std::string_view text);
  bool feed_details(std::string_view text);
  bool feed_site(std::string_view text);
  void begin_stack(Mark mark, std::string_view text);
  void add_frame(Frame frame);
  void add_step(Mark mark, Frame frame = {});

  Report& report_;
  bool page_fault_;
  Trail trail_;
  std::size_t line_ = 0;
  std::optional<std::uint64_t> slab_offset_, object_offset_;  // of SLUB's first bad byte, object
  std::optional<Frame> pc_;
  std::vector<Frame> main_, allocated_, freed_, other_;
  std::vector<Frame>* current_ = &main_;
  bool next_is_foreign_ = false;
  bool main_closed_ = false;  // the first main stack is the one that counts
  bool user_registers_ = false;
  bool ended_ = false;
  bool trail_closed_ = false;
  bool under_heading_ = false;
  bool has_stack_ = false;
};

}  // namespace rig::oops
