// SPDX-License-Identifier: Apache-2.0
#include "oops/report_open.h"

#include <algorithm>
#include <utility>

#include "oops/report_fingerprint.h"
#include "oops/report_guilty.h"
#include "oops/report_title.h"
#include "oops/report_types.h"

namespace rig::oops {
namespace {

// Bounds of one report: a log that never ends one must not make it swallow the log.
constexpr std::size_t kMaxLines = 2000;
constexpr std::size_t kMaxForeignLines = 40;   // in a row, between two lines that belong
constexpr std::size_t kMaxLinesToStack = 400;  // the same, while its stack is still to come
constexpr std::size_t kAnnouncedWithin = 12;   // lines from a message to its WARNING or BUG
constexpr std::size_t kTrapWithin = 4;         // lines from a BUG to the name of its exception
// Kept of a line, from its match on. What the kernel prints at once is shorter.
constexpr std::size_t kMaxKept = 16 << 10;

bool holds_one_of(std::string_view text, std::string_view words) {
  while (!words.empty()) {
    const std::size_t bar = words.find('|');
    if (text.find(words.substr(0, bar)) != std::string_view::npos) return true;
    if (bar == std::string_view::npos) break;
    words.remove_prefix(bar + 1);
  }
  return false;
}

std::string make_kind(const Start& start) {
  std::string kind = expand(start.spelling->kind, start.captures);
  std::replace(kind.begin(), kind.end(), ' ', '-');
  return kind;
}

std::string capitalised_access(const std::string& access) {
  if (access == "read") return " Read";
  return access == "write" ? " Write" : "";
}

// "=====", "------------[ cut here ]------------".
bool is_ruler(std::string_view text) {
  constexpr std::string_view kCut = "[ cut here ]";
  const std::size_t cut = text.find(kCut);
  const std::string_view before = text.substr(0, cut);
  return before.size() >= 8 && before.find_first_not_of(before.front()) == std::string_view::npos &&
         (before.front() == '=' || before.front() == '-');
}

// Timestamps of other lines in a title: two lines were printed over each other.
bool is_mixed(std::string_view title) {
  static const Pattern kStamp(R"(\[ *\d+\.\d+\])");
  return kStamp.matches(title);
}

// The part of a line to keep: all of it where it is of a sane length.
std::string_view kept(std::string_view text, std::string_view match) {
  if (text.size() <= kMaxKept) return text;
  const auto begin = static_cast<std::size_t>(match.data() - text.data());
  return text.substr(std::min(begin, text.size() - kMaxKept), kMaxKept);
}

}  // namespace

FirstLine::FirstLine(std::string_view text, const Start& start)
    : text_(kept(text, start.captures.whole())), start_(start) {
  start_.captures = start.captures.moved_to(text_, kept(text, start.captures.whole()).data());
}

OpenReport::OpenReport(const Line& line, const Start& start, std::size_t number)
    : first_(line.text, start),
      caller_(line.caller),
      stamped_(line.stamped),
      body_(report_, start.format->page_fault) {
  report_.kind = make_kind(start);
  report_.first_line = report_.last_line = number;
  fill_fields(start.captures, report_);
  report_.panicked = start.format->panic;
  name_function(start);
  needed_seen_ = holds_one_of(first_.text(), start.spelling->needs);
  if (!announces()) body_.feed(first_.text());
}

void OpenReport::name_function(const Start& start) {
  const auto function = start.captures["func"];
  if (named_ || function.empty()) return;
  named_.emplace();
  named_->function = plain_name(function);
  named_->module = start.captures["module"];
}

bool OpenReport::may_own(const Line& line) const {
  if (caller_.empty() || line.caller.empty() || line.caller == caller_) return true;
  return traced_elsewhere_ && line.caller.front() == 'C';
}

bool OpenReport::continues(const Start& next) const {
  const Format& open = *start().format;
  if (next.format->role == Role::kFollowUp) {
    return !next.format->panic || !body_.ended() || panic_follows_report(next.captures["what"]);
  }
  if (body_.ended()) return false;
  // In an oops the exception's name follows the message: "kernel BUG at f:1!", "invalid opcode:
  // 0000".
  if (next.format->names_exception) {
    return !body_.has_stack() && (lines_ <= kTrapWithin || announces());
  }
  if (next.format->repeats && next.format->family == open.family && lines_ <= kTrapWithin) {
    return true;
  }
  const bool splat = next.format->role == Role::kSplat || next.format->role == Role::kMessage;
  return splat && announces() && lines_ <= kAnnouncedWithin && !body_.has_stack();
}

void OpenReport::note(Effect effect) {
  if (effect == Effect::kTracesOthers) traced_elsewhere_ = true;
  // Without caller ids, what follows cannot be told from the stack that comes with these.
  if (effect == Effect::kForeignStack && caller_.empty()) body_.close_trail();
}

void OpenReport::close_with_ruler() {
  if (ruler_) report_.last_line = *ruler_;
  ruler_.reset();
}

bool OpenReport::take(const Line& line, std::size_t number) {
  if (lines_ == 1) below_ = line.text.substr(0, kMaxKept);
  ++lines_;
  if (!needed_seen_) needed_seen_ = holds_one_of(line.text, start().spelling->needs);
  const bool belongs = body_.feed(line.text);
  if (line.text.empty()) return belongs;
  if (is_ruler(line.text)) {
    if (foreign_ == 0) ruler_ = number;
    return belongs;
  }
  close_with_ruler();
  foreign_ = belongs ? 0 : foreign_ + 1;
  // A program's lines, and prose around what was pasted, may look like a report's.
  if (belongs && (line.stamped || !stamped_)) report_.last_line = number;
  return belongs;
}

OpenReport::Takes OpenReport::feed(const Line& line, std::size_t number) {
  const bool belongs = take(line, number);
  if (body_.ended() && !belongs && body_.has_stack()) return Takes::kEnough;
  const std::size_t limit = body_.has_stack() ? kMaxForeignLines : kMaxLinesToStack;
  return lines_ < kMaxLines && foreign_ < limit ? Takes::kMore : Takes::kEnough;
}

OpenReport::Takes OpenReport::feed_start(const Line& line, const Start& next, std::size_t number) {
  if (next.format->panic) {
    report_.panicked = true;
    if (lines_ + 1 > start().format->whole_from) body_.close_trail();
  } else {
    name_function(next);
  }
  fill_fields(next.captures, report_);
  if (announces() && start().format->titled_by_splat && !splat_ &&
      next.format->role == Role::kSplat && !next.format->names_exception) {
    splat_.emplace(line.text, next);
  }
  take(line, number);
  foreign_ = 0;
  report_.last_line = number;
  return lines_ < kMaxLines ? Takes::kMore : Takes::kEnough;
}

// From where the spelling says to the end of the line.
std::string OpenReport::cut_title() const {
  const auto cut = start().captures["cut"];
  const std::string_view from = cut.empty() ? start().captures.whole() : cut;
  const std::string_view text = first_.text();
  return std::string(text.substr(static_cast<std::size_t>(from.data() - text.data())));
}

Captures OpenReport::title_values() const {
  Captures values;
  values.add("access_word", report_.access);
  values.add("cache", report_.cache);
  values.add("comm", report_.comm);
  values.add("below", below_);
  return values;
}

void OpenReport::find_alternatives(const Captures& values) {
  const auto add = [&](std::string_view form, std::string_view function) {
    Captures all;
    all.add("function", function);
    for (const auto& [name, value] : values) all.add(name, value);
    std::string title = normalised(expand(form, all));
    if (title == report_.title || std::ranges::find(report_.alt, title) != report_.alt.end())
      return;
    report_.alt.push_back(std::move(title));
  };
  const std::string_view title = naming().spelling->title;
  const bool wants_function = title.find("{function}") != std::string_view::npos;
  for (const std::string_view form : naming().alt()) {
    if (wants_function || form.find("{function}") == std::string_view::npos) {
      add(form, values["name"]);
    }
  }
  if (!wants_function || values["name"] == "corrupted") return;
  // What the name is before prefixes are taken away: other kernels and parsers know it so.
  for (const std::string& name : possible_names(report_.function)) {
    if (name == values["name"] || report_.function.empty()) continue;
    add(title, name);
    for (const std::string_view form : naming().alt()) add(form, name);
  }
}

// Finds the function that the report is about.
OpenReport::Name OpenReport::name_guilty() {
  const Trail& trail = body_.trail();
  auto guilty =
      naming().look() == Look::kNowhere ? std::nullopt : find_guilty(naming(), trail, named_);
  const bool certain = guilty && guilty->intact;
  std::string name = guilty ? guilty->title : "corrupted";
  if (!guilty) guilty = best_guess(naming(), trail, named_);
  if (guilty && naming().look() != Look::kNowhere) {
    report_.function = guilty->frame.function;
    report_.module = guilty->frame.module;
    if (report_.module.empty()) {
      const auto same = std::ranges::find_if(report_.frames, [&](const Frame& frame) {
        return frame.function == report_.function && !frame.module.empty();
      });
      if (same != report_.frames.end()) report_.module = same->module;
    }
    report_.function = readable_name(report_.function);
  }
  return {std::move(name), certain};
}

Report OpenReport::finish() {
  const Trail& trail = body_.trail();
  close_with_ruler();
  report_.frames = innermost_first(body_.program_counter(), body_.stack());
  report_.allocated = innermost_first(std::nullopt, body_.allocated());
  report_.freed = innermost_first(std::nullopt, body_.freed());
  if (!report_.address && start().format->page_fault) {
    const auto cr2 = report_.registers.find("CR2");
    if (cr2 != report_.registers.end()) report_.address = cr2->second;
  }
  auto [name, certain] = name_guilty();
  const std::string_view form = naming().spelling->title;
  const bool wants_function = form.find("{function}") != std::string_view::npos;
  const bool tracked = naming().look() == Look::kFreeTrack || naming().look() == Look::kAllocTrack;
  // Without the tracks of slub_debug=U nobody can be named; the cache can.
  if (tracked && name == "corrupted" && !report_.cache.empty()) name = report_.cache;
  const bool complete = naming().spelling->needs.empty() || needed_seen_;
  const std::string access = capitalised_access(report_.access);
  Captures values = title_values();
  values.add("name", name);
  values.add("function", name);
  values.add("access", access);
  const auto origin = find_origin(naming(), trail);
  const std::string origin_name = origin ? origin->title : "corrupted";
  values.add("origin", origin_name);
  for (const auto& [key, value] : naming().captures) values.add(key, value);
  if (form.empty() || !complete) {
    report_.title = normalised(cut_title());
    report_.corrupted = !complete;
    if (complete) find_alternatives(values);
  } else {
    report_.title = normalised(expand(form, values));
    find_alternatives(values);
    const bool lost = wants_function && !tracked && (!certain || name == "corrupted");
    report_.corrupted = lost || (naming().format->names_origin && !origin) ||
                        lacks_stack(naming(), trail, body_.lines());
  }
  report_.corrupted = report_.corrupted || naming().spelling->hopeless || is_mixed(report_.title);
  report_.type = class_of(naming().type(), report_);
  report_.fingerprint = fingerprint(report_);
  return std::move(report_);
}

}  // namespace rig::oops
