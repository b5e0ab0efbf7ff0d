// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <set>

#include "oops/report.h"
#include "oops/report_body.h"
#include "oops/report_formats.h"
#include "oops/report_lines.h"

namespace rig::oops {
namespace {

// Bounds of one report: a log that never ends one must not make it swallow the log.
constexpr std::size_t kMaxLines = 2000;
constexpr std::size_t kMaxForeignLines = 40;  // in a row, between two lines that belong
constexpr std::size_t kMaxReports = 10000;
constexpr std::size_t kAnnouncedWithin = 12;  // lines from a message to its WARNING or BUG

struct Found {
  Report report;
  std::string_view caller;          // whose lines it has taken
  std::size_t end = 0;              // offset of the line after its last one
  std::size_t announced_until = 0;  // a splat up to this line belongs to it
};

bool is_panic(const Start& start) {
  return start.format->family == "panic";
}

// Does a line that would begin a report continue this one?
bool continues(const Format& open, const Start& start, std::size_t lines_since, bool ended) {
  switch (start.format->role) {
    case Role::kFollowUp:
      return !is_panic(start) || !ended || panic_follows_report(start.captures["what"]) ||
             start.spelling->title.find("init!") != std::string_view::npos;
    case Role::kSplat:
    case Role::kMessage:
      return !ended && open.role == Role::kMessage && lines_since <= kAnnouncedWithin;
    case Role::kCause:
      return false;
  }
  return false;
}

// In an oops the exception's name follows the message: "kernel BUG at f:1!", "invalid opcode:
// 0000".
bool continues_bug(const Format& open, const Start& start, std::size_t lines_since) {
  if (lines_since <= 4 && open.family == "stack-guard" && start.format == &open) return true;
  return start.format->family == "trap" && lines_since <= 4 &&
         (open.family == "kernel-bug" || open.role == Role::kMessage ||
          open.family == "stack-guard" || open.family == "paging-fault");
}

std::string capitalised_access(const std::string& access) {
  if (access == "read") return " Read";
  return access == "write" ? " Write" : "";
}

// The kernel names one system call in many ways; a title uses one.
std::string_view title_name(std::string_view function) {
  for (const std::string_view prefix : {"__x64_", "__ia32_", "__arm64_", "__se_", "__do_"}) {
    if (function.starts_with(prefix) && function.substr(prefix.size()).starts_with("sys_")) {
      return function.substr(prefix.size());
    }
  }
  for (const std::string_view prefix : {"SyS_", "SYSC_", "ksys_"}) {
    if (function.starts_with(prefix)) return function.substr(prefix.size());
  }
  if (function.find("synchronize_rcu") != std::string_view::npos ||
      function == "synchronize_sched" ||
      function.find("synchronize_srcu") != std::string_view::npos) {
    return "synchronize_rcu";
  }
  if (function.starts_with("smp_call_function")) return "smp_call_function";
  return function;
}

const Frame* first_guilty(const std::vector<Frame>& frames, const SkipList* skip) {
  for (const Frame& frame : frames) {
    if (!frame.reliable) continue;
    if (reporting_helpers().contains(frame.function)) continue;
    if (common_helpers().contains(frame.function)) continue;
    if (exception_entries().contains(frame.function)) continue;
    if (skip != nullptr && skip->contains(frame.function)) continue;
    return &frame;
  }
  return nullptr;
}

// The frames that were running when an interrupt told of a stall.
std::vector<Frame> interrupted(std::vector<Frame> frames) {
  const auto entry = std::find_if(frames.begin(), frames.end(), [](const Frame& frame) {
    return interrupt_entries().contains(frame.function);
  });
  if (entry == frames.end()) return frames;
  const auto below = std::find_if_not(entry, frames.end(), [](const Frame& frame) {
    return interrupt_entries().contains(frame.function);
  });
  if (below != frames.end()) frames.erase(frames.begin(), below);
  return frames;
}

// The innermost frame that a dispatcher called: for a loop in a driver its ioctl function.
const Frame* representative(const std::vector<Frame>& frames) {
  // A CPU that waits for the others is the stall of whoever asked: one group for all of them.
  for (const Frame& frame : frames) {
    if (frame.reliable && frame.function.starts_with("smp_call_function")) return &frame;
  }
  const Frame* inner = nullptr;
  for (const Frame& frame : frames) {
    if (!frame.reliable) continue;
    const bool dispatcher = dispatchers().contains(frame.function);
    if (dispatcher && inner != nullptr) return inner;
    inner = dispatcher ? nullptr : &frame;
  }
  return nullptr;
}

std::vector<Frame> candidates_of(const Start& start, const BodyParser& body, const Report& report) {
  if (start.spelling->guilty == Guilty::kFreeTrack) return body.freed();
  if (start.spelling->guilty == Guilty::kAllocTrack) return body.allocated();
  std::vector<Frame> candidates;
  if (const auto named = start.captures["func"]; !named.empty()) {
    Frame frame;
    frame.function = plain_name(named);
    frame.module = start.captures["module"];
    candidates.push_back(std::move(frame));
  }
  if (start.spelling->guilty == Guilty::kLockSite && !body.lock_site().empty()) {
    Frame frame;
    frame.function = body.lock_site();
    candidates.push_back(std::move(frame));
  }
  candidates.insert(candidates.end(), report.frames.begin(), report.frames.end());
  return candidates;
}

// Sets function and module: the first function that is not merely a helper.
void find_guilty(const Start& start, const BodyParser& body, Report& report) {
  std::vector<Frame> candidates = candidates_of(start, body, report);
  const Frame* guilty = nullptr;
  if (start.format->choice == Choice::kRepresentative) {
    candidates = interrupted(std::move(candidates));
    guilty = representative(candidates);
  }
  if (guilty == nullptr) guilty = first_guilty(candidates, start.format->skip);
  if (guilty == nullptr) return;
  report.function = guilty->function;
  report.module = guilty->module;
  if (!report.module.empty()) return;
  const auto same = std::find_if(report.frames.begin(), report.frames.end(), [&](const Frame& f) {
    return f.function == report.function && !f.module.empty();
  });
  if (same != report.frames.end()) report.module = same->module;
}

void make_title(const Start& start, Report& report) {
  std::string_view form = start.spelling->title;
  const bool wants_function = form.find("{function}") != std::string_view::npos;
  std::string function(title_name(report.function));
  // A first line alone may name a function of another report that was cut short.
  const bool bare = report.frames.empty() && start.spelling->guilty == Guilty::kStack;
  if (bare) function.clear();
  if (wants_function && function.empty()) {
    if (start.spelling->guilty == Guilty::kFreeTrack ||
        start.spelling->guilty == Guilty::kAllocTrack) {
      // Without the tracks of slub_debug=U nobody can be named; the cache can.
      function = report.cache;
    } else {
      function = "corrupted";
      report.corrupted = true;
    }
  }
  const std::string access = capitalised_access(report.access);
  Captures values = start.captures;
  Captures all;
  all.add("function", function);
  all.add("access", access);
  all.add("access_word", report.access);
  all.add("cache", report.cache);
  all.add("comm", report.comm);
  for (const auto& [name, value] : values) all.add(name, value);
  // "access" of the first line must not hide the capitalised one: the first of a name counts.
  report.title = expand(form, all);
}

std::string make_kind(const Start& start) {
  std::string kind = expand(start.spelling->kind, start.captures);
  std::replace(kind.begin(), kind.end(), ' ', '-');
  return kind;
}

void finish(const Start& start, const BodyParser& body, Report& report) {
  report.frames = innermost_first(body.program_counter(), body.stack());
  // Fault injection prints a stack of its own, often in the middle of another CPU's report.
  if (!body.program_counter() && !report.frames.empty() &&
      report.frames.front().function.find("should_fail") != std::string::npos) {
    report.frames.clear();
  }
  if (!report.address) {
    const auto cr2 = report.registers.find("CR2");
    const bool fault = report.kind == "null-deref" || report.kind == "paging-fault";
    if (fault && cr2 != report.registers.end()) report.address = cr2->second;
  }
  find_guilty(start, body, report);
  make_title(start, report);
}

// Reads the report that begins at `offset` (line number `line_number`) of the log.
Found read_report(std::string_view log, std::size_t offset, std::size_t line_number, Start& start) {
  Found found;
  Report& report = found.report;
  report.kind = make_kind(start);
  report.first_line = report.last_line = line_number;
  fill_fields(start.captures, report);
  if (is_panic(start)) report.panicked = true;
  BodyParser body(report);

  LineReader reader(log, offset);
  std::string_view raw;
  reader.next(raw);
  found.caller = read_line(raw).caller;
  found.end = reader.offset();
  if (start.format->role != Role::kMessage) body.feed(read_line(raw).text);
  std::size_t foreign = 0;
  std::size_t other_begins = std::string_view::npos;
  for (std::size_t count = 1; count < kMaxLines && foreign < kMaxForeignLines; ++count) {
    const std::size_t before = reader.offset();
    if (!reader.next(raw)) break;
    const Line line = read_line(raw);
    if (!found.caller.empty() && !line.caller.empty() && line.caller != found.caller) continue;
    Start next;
    if (match_start(line.text, next)) {
      const bool ours = continues(*start.format, next, count, body.ended()) ||
                        (!body.ended() && continues_bug(*start.format, next, count));
      if (!ours) {
        // Two CPUs at once, and no caller ids to tell their lines apart: the lines that still come
        // may be ours, but the other report begins here all the same.
        const bool mixed = other_begins == std::string_view::npos && found.caller.empty() &&
                           !start.captures["func"].empty() &&
                           first_guilty(body.stack(), start.format->skip) == nullptr;
        if (!mixed) break;
        other_begins = before;  // a second one is too many
        continue;
      }
      if (is_panic(next)) report.panicked = true;
      fill_fields(next.captures, report);
      if (start.captures["func"].empty() && !next.captures["func"].empty() && !is_panic(next)) {
        start.captures.add("func", next.captures["func"]);
        start.captures.add("module", next.captures["module"]);
      }
    }
    const bool belongs = body.feed(line.text);
    foreign = belongs ? 0 : foreign + 1;
    if (body.ended() && !belongs) break;
    if (!belongs || line.text.empty()) continue;
    report.last_line = line_number + count;
    found.end = reader.offset();
  }
  found.end = std::min(found.end, other_begins);
  finish(start, body, report);
  return found;
}

// Line numbers of growing offsets, counted once.
class LineCounter {
 public:
  explicit LineCounter(std::string_view text) : text_(text) {}
  std::size_t at(std::size_t offset) {
    lines_ += static_cast<std::size_t>(
        std::count(text_.begin() + static_cast<std::ptrdiff_t>(last_),
                   text_.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
    last_ = offset;
    return lines_;
  }

 private:
  std::string_view text_;
  std::size_t last_ = 0;
  std::size_t lines_ = 0;
};

}  // namespace

std::vector<Report> parse_reports(std::string_view log) {
  std::vector<Report> reports;
  LineCounter counter(log);
  std::size_t offset = 0;
  std::size_t taken_until = 0;  // lines below this offset of this caller are part of a report
  std::string_view taken_caller;
  std::size_t panicked = 0;  // that many reports a panic followed
  while (reports.size() < kMaxReports) {
    const std::size_t hit = next_candidate(log, offset);
    if (hit == std::string_view::npos) break;
    const std::size_t newline = hit == 0 ? std::string_view::npos : log.rfind('\n', hit - 1);
    const std::size_t begin = std::max(offset, newline == std::string_view::npos ? 0 : newline + 1);
    LineReader reader(log, begin);
    std::string_view raw;
    reader.next(raw);
    offset = reader.offset();
    const Line line = read_line(raw);
    const bool taken = begin < taken_until &&
                       (taken_caller.empty() || line.caller.empty() || line.caller == taken_caller);
    Start start;
    if (taken || !match_start(line.text, start)) continue;
    const std::size_t number = counter.at(begin);
    if (is_panic(start) && !reports.empty() && panic_follows_report(line.text)) {
      panicked = reports.size();
      reports.back().last_line = std::max(reports.back().last_line, number);
      continue;
    }
    Found found = read_report(log, begin, number, start);
    taken_until = std::max(taken_until, found.end);
    taken_caller = found.caller;
    reports.push_back(std::move(found.report));
    if (reports.back().panicked) panicked = reports.size();
  }
  for (std::size_t i = 0; i < panicked; ++i) reports[i].panicked = true;
  return reports;
}

std::optional<std::string_view> starts_report(std::string_view line) {
  Start start;
  if (!match_start(read_line(line).text, start)) return std::nullopt;
  // The ids live as long as the program: the line's own words do not.
  static const std::set<std::string, std::less<>> kinds = [] {
    const auto known = known_kinds();
    return std::set<std::string, std::less<>>(known.begin(), known.end());
  }();
  const auto kind = kinds.find(make_kind(start));
  return kind == kinds.end() ? std::string_view(start.format->family) : std::string_view(*kind);
}

bool is_benign(std::string_view kind) {
  static constexpr std::string_view kBenign[] = {"oom-kill", "page-allocation-failure"};
  return std::ranges::find(kBenign, kind) != std::end(kBenign);
}

std::optional<Report> cause(std::span<const Report> reports) {
  const auto first =
      std::ranges::find_if(reports, [](const Report& report) { return !is_benign(report.kind); });
  if (first != reports.end()) return *first;
  // Nothing else was said before the panic: panic_on_oom.
  if (!reports.empty() && reports.back().panicked) return reports.back();
  return std::nullopt;
}

std::vector<std::string> known_kinds() {
  std::set<std::string> kinds;
  for (const Format& format : formats()) {
    for (const Spelling& spelling : format.spellings) {
      if (spelling.kind.find("{bug}") == std::string_view::npos) {
        kinds.emplace(spelling.kind);
        continue;
      }
      for (const std::string_view bug : format.bugs) {
        Captures captures;
        captures.add("bug", bug);
        kinds.insert(expand(spelling.kind, captures));
      }
    }
  }
  return {kinds.begin(), kinds.end()};
}

}  // namespace rig::oops
