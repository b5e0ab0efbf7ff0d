// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include "oops/report.h"
#include "oops/report_formats.h"
#include "oops/report_lines.h"
#include "oops/report_log.h"
#include "oops/report_open.h"
#include "oops/report_stack.h"

namespace rig::oops {
namespace {

constexpr std::size_t kMaxReports = 10000;
constexpr std::size_t kMaxOpen = 8;  // CPUs that print at once, told apart by their caller ids

std::size_t count_lines(std::string_view text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

using Kinds = std::set<std::string_view>;

// The kinds of those formats; they have no {bug} in them.
template <typename Is>
Kinds kinds_of(Is is) {
  Kinds kinds;
  for (const Format& format : formats()) {
    if (!is(format)) continue;
    for (const Spelling& spelling : format.spellings) kinds.insert(spelling.kind);
  }
  return kinds;
}

bool is_reboot(std::string_view kind) {
  static const Kinds kinds = kinds_of([](const Format& format) { return format.boot; });
  return kinds.contains(kind);
}

// Each report may follow from the first crash of its boot.
void link(std::vector<Report>& reports) {
  std::optional<std::size_t> cause;
  for (std::size_t i = 0; i < reports.size(); ++i) {
    if (is_reboot(reports[i].kind)) cause.reset();
    if (is_benign(reports[i].kind)) continue;
    reports[i].caused_by = cause;
    if (!cause) cause = i;
  }
}

}  // namespace

class ReportStream::Impl {
 public:
  void feed(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
      if (open_.empty()) {
        const std::size_t next = line_of(text, at, next_candidate(text, at));
        skip(text.substr(at, next - at));
        at = next;
        if (at >= text.size()) return;
      }
      LineReader reader(text, at);
      std::string_view raw;
      reader.next(raw);
      for (const std::string_view line : unpasted(raw)) feed_line(line);
      at = reader.offset();
      if (text[at - 1] == '\n') ++number_;
    }
  }

  std::vector<Report> finish() {
    while (!open_.empty()) close(open_.begin());
    std::ranges::stable_sort(reports_, {}, &Report::first_line);
    for (Report& report : reports_) {
      report.panicked = report.panicked || panicked_;
      report.suppressed = suppressed_;
      report.corrupted = report.corrupted || console_lost_;
    }
    link(reports_);
    return std::move(reports_);
  }

 private:
  using Open = std::vector<std::unique_ptr<OpenReport>>;

  // The offset of the line that holds `hit`, not before `from`; the end of the text for none.
  static std::size_t line_of(std::string_view text, std::size_t from, std::size_t hit) {
    if (hit == std::string_view::npos) return text.size();
    const std::size_t newline = hit == from ? std::string_view::npos : text.rfind('\n', hit - 1);
    return newline == std::string_view::npos || newline < from ? from : newline + 1;
  }

  void skip(std::string_view lines) {
    number_ += count_lines(lines);
    if (!running_) running_ = lines.find_first_not_of(" \t\r\n") != std::string_view::npos;
  }

  // What a line says of the whole log, or of what follows. True when it is a boot that nobody
  // asked for.
  bool note_effect(const Line& line) {
    const std::string_view text = line.text;
    const auto effect = effect_on_log(text);
    for (const auto& open : open_) {
      if (effect && open->may_own(line)) open->note(*effect);
    }
    if (effect == Effect::kSuppressed) suppressed_ = true;
    if (effect == Effect::kConsoleLost) console_lost_ = true;
    if (effect == Effect::kPanicked) panicked_ = true;
    if (effect != Effect::kFirmware && effect != Effect::kBoot) {
      if (!text.empty()) running_ = true;
      return false;
    }
    // A log may begin with a boot: only the next is one that nobody asked for.
    if (!running_ && !booting_) booting_ = true;
    if (effect == Effect::kFirmware) return false;
    const bool unexpected = !booting_;
    booting_ = false;
    running_ = true;
    return unexpected;
  }

  void feed_line(std::string_view raw) {
    const Line line = read_line(raw);
    if (is_plain_frame(line.text) || !is_candidate(line.text)) {
      if (!line.text.empty()) running_ = true;
      give(line);
      return;
    }
    Start start;
    const bool rebooted = note_effect(line);
    const bool starts = match_start(line.text, start);
    if (starts && start.format->boot && !rebooted) return;
    if (!starts) {
      give(line);
      return;
    }
    if (start.format->role == Role::kRemark) {
      take_remark(line, start);
      return;
    }
    if (give_start(line, start)) return;
    if (start.format->panic && !reports_.empty() && panic_follows_report(line.text)) {
      reports_.back().last_line = std::max(reports_.back().last_line, number_);
      return;
    }
    if (reports_.size() + open_.size() >= kMaxReports) return;
    if (open_.size() >= kMaxOpen) close(open_.begin());
    open_.push_back(std::make_unique<OpenReport>(line, start, number_));
  }

  // Amid a report it is a line like others; else it is all that there is.
  void take_remark(const Line& line, const Start& start) {
    for (auto open = open_.begin(); open != open_.end();) {
      open = (*open)->ended() && (*open)->may_own(line) ? close(open) : open + 1;
    }
    const bool amid =
        std::ranges::any_of(open_, [&](const auto& open) { return open->may_own(line); });
    if (amid) {
      give(line);
    } else if (reports_.size() + open_.size() < kMaxReports) {
      reports_.push_back(OpenReport(line, start, number_).finish());
    }
  }

  void give(const Line& line) {
    for (auto open = open_.begin(); open != open_.end();) {
      const bool enough =
          (*open)->may_own(line) && (*open)->feed(line, number_) == OpenReport::Takes::kEnough;
      open = enough ? close(open) : open + 1;
    }
  }

  // True when the line belongs to an open report; the others that it ends are closed.
  bool give_start(const Line& line, const Start& start) {
    for (auto open = open_.begin(); open != open_.end();) {
      if (!(*open)->may_own(line)) {
        ++open;
      } else if ((*open)->continues(start)) {
        if ((*open)->feed_start(line, start, number_) == OpenReport::Takes::kEnough) close(open);
        return true;
      } else if (start.format->role == Role::kMessage) {
        (*open)->drop_ruler();
        ++open;  // its WARNING or BUG will show whether it interrupts this one
      } else {
        (*open)->drop_ruler();
        open = (*open)->waits() && open_.size() < kMaxOpen ? open + 1 : close(open);
      }
    }
    return false;
  }

  Open::iterator close(Open::iterator open) {
    reports_.push_back((*open)->finish());
    return open_.erase(open);
  }

  Open open_;
  std::vector<Report> reports_;
  std::size_t number_ = 0;  // of the line that comes
  bool panicked_ = false;
  bool suppressed_ = false;
  bool console_lost_ = false;
  bool running_ = false;  // something was said before any boot
  bool booting_ = false;  // the log begins with a boot
};

ReportStream::ReportStream() : impl_(std::make_unique<Impl>()) {}
ReportStream::~ReportStream() = default;
ReportStream::ReportStream(ReportStream&&) noexcept = default;

void ReportStream::feed(std::string_view lines) {
  impl_->feed(lines);
}

std::vector<Report> ReportStream::finish() {
  return impl_->finish();
}

std::vector<Report> parse_reports(std::string_view log) {
  ReportStream stream;
  stream.feed(log);
  std::vector<Report> reports = stream.finish();
  std::erase_if(reports, [](const Report& report) { return is_remark(report.kind); });
  link(reports);
  return reports;
}

std::optional<std::string_view> starts_report(std::string_view line) {
  Start start;
  if (!match_start(read_line(line).text, start)) return std::nullopt;
  if (start.format->role == Role::kRemark) return std::nullopt;
  std::string found = expand(start.spelling->kind, start.captures);
  std::replace(found.begin(), found.end(), ' ', '-');
  // The ids live as long as the program: the line's own words do not.
  static const std::set<std::string, std::less<>> kinds = [] {
    const auto known = known_kinds();
    return std::set<std::string, std::less<>>(known.begin(), known.end());
  }();
  const auto kind = kinds.find(found);
  return kind == kinds.end() ? std::string_view(start.format->family) : std::string_view(*kind);
}

bool is_remark(std::string_view kind) {
  static const Kinds kinds =
      kinds_of([](const Format& format) { return format.role == Role::kRemark; });
  return kinds.contains(kind);
}

bool is_benign(std::string_view kind) {
  static const Kinds kinds = kinds_of([](const Format& format) { return format.benign; });
  return kinds.contains(kind) || is_remark(kind);
}

bool is_hang(std::string_view kind) {
  static constexpr std::string_view kHangs[] = {"soft-lockup", "hard-lockup", "rcu-stall",
                                                "hung-task", "workqueue-lockup"};
  return std::ranges::find(kHangs, kind) != std::end(kHangs);
}

std::optional<Report> cause(std::span<const Report> reports) {
  const auto first =
      std::ranges::find_if(reports, [](const Report& report) { return !is_benign(report.kind); });
  if (first != reports.end()) return *first;
  // Nothing else was said before the panic: panic_on_oom.
  const auto last =
      std::ranges::find_if(reports.rbegin(), reports.rend(),
                           [](const Report& report) { return !is_remark(report.kind); });
  if (last != reports.rend() && last->panicked) return *last;
  return std::nullopt;
}

const Report* headline(std::span<const Report> reports) {
  const Report* remark = nullptr;
  const Report* memory = nullptr;
  for (const Report& report : reports) {
    if (!is_benign(report.kind)) return &report;
    const bool noted = is_remark(report.kind);
    if (!noted && report.panicked) memory = &report;
    if (noted && remark == nullptr) remark = &report;
  }
  return memory != nullptr ? memory : remark;
}

std::vector<std::string> known_kinds() {
  std::set<std::string> kinds;
  for (const Format& format : formats()) {
    if (format.role == Role::kRemark) continue;
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
