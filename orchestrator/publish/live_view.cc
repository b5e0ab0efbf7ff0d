// SPDX-License-Identifier: Apache-2.0
#include "publish/live_view.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <condition_variable>

#include "base/text.h"
#include "publish/terminal.h"

namespace rig::publish {

namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

// One digit is enough for what changes while one looks.
std::string short_seconds(double seconds) {
  return seconds < 100 ? fmt::format("{:.1f} s", seconds) : human_seconds(seconds);
}

std::string step_text(const Progress& step) {
  std::string text = printable(step.step);
  if (step.fraction) text += fmt::format("  {:3.0f} %", *step.fraction * 100);
  if (!step.detail.empty()) text += "  " + printable(step.detail);
  return text;
}

Colour colour_of(verdict::Outcome outcome, bool good) {
  if (outcome == verdict::Outcome::kRigError) return Colour::kYellow;
  return good ? Colour::kGreen : Colour::kRed;
}

}  // namespace

LiveView::LiveView(std::ostream& out, LiveOptions options)
    : out_(out), options_(std::move(options)), began_(options_.now()) {
  if (!options_.terminal || !options_.ticking) return;
  ticker_ = std::jthread([this](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    while (!stop.stop_requested()) {
      tick();
      std::unique_lock lock(mutex);
      never.wait_for(lock, stop, kRedraw, [] { return false; });
    }
  });
}

LiveView::~LiveView() {
  if (ticker_.joinable()) {
    ticker_.request_stop();
    ticker_.join();
  }
  const std::lock_guard lock(mutex_);
  attempts_.clear();
  step_ = {};
  draw();
}

std::string LiveView::elapsed() const {
  return fmt::format("[{:>8}]", short_seconds(seconds_between(began_, options_.now())));
}

// Without a terminal it is written at once; on one, above the live lines at the next redraw.
void LiveView::leave(std::string line) {
  leaving_.push_back(std::move(line));
  if (!options_.terminal) draw();
}

void LiveView::step(const Progress& progress) {
  const std::lock_guard lock(mutex_);
  const bool is_new = progress.step != step_.step;
  step_ = progress;
  if (!is_new) return;
  step_began_ = options_.now();
  if (!options_.terminal && !step_.step.empty()) {
    leave(fmt::format("{} {}", elapsed(), step_text(step_)));
  }
}

void LiveView::phase(unsigned id, std::string_view name, std::string_view cell,
                     std::string_view phase) {
  const std::lock_guard lock(mutex_);
  step_ = {};
  const auto now = options_.now();
  auto [at, is_new] = attempts_.try_emplace(id);
  Attempt& attempt = at->second;
  if (is_new) attempt.began = now;
  attempt.name = name;
  attempt.cell = cell;
  attempt.detail.clear();
  attempt.phase = phase;
  attempt.phase_began = now;
  if (options_.terminal) return;
  leave(fmt::format("{} {} {}: {}", elapsed(), printable(cell), printable(name), printable(phase)));
}

void LiveView::detail(unsigned id, std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (const auto at = attempts_.find(id); at != attempts_.end()) at->second.detail = text;
}

void LiveView::done(unsigned id, verdict::Outcome outcome, bool good, double seconds,
                    std::string_view reason) {
  const std::lock_guard lock(mutex_);
  std::string label = fmt::format("attempt {}", id);
  if (const auto at = attempts_.find(id); at != attempts_.end()) {
    label = fmt::format("{} {}", printable(at->second.cell), printable(at->second.name));
    attempts_.erase(at);
  }
  leave(fmt::format("{} {}: {} in {}{}{}", elapsed(), label,
                    paint(to_string(outcome), colour_of(outcome, good), options_.colour),
                    human_seconds(seconds), reason.empty() ? "" : ", ", printable(reason)));
}

void LiveView::note(std::string_view text) {
  const std::lock_guard lock(mutex_);
  for (const std::string& line : split(text, '\n')) leave(printable(line));
}

void LiveView::tick() {
  if (!options_.terminal) return;
  const std::lock_guard lock(mutex_);
  const auto now = options_.now();
  if (last_draw_ && now - *last_draw_ < kRedraw) return;
  last_draw_ = now;
  draw();
}

TerminalSize LiveView::size() const {
  if (options_.size) return options_.size();
  winsize window{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) return {};
  return {window.ws_col, window.ws_row};
}

// "late-completion/.../faulty 1/3  capture 1.2 s  38 %   [total 8.4 s]"; the cell is cut first.
std::string LiveView::attempt_line(const Attempt& attempt, std::size_t columns) const {
  const auto now = options_.now();
  std::string right = fmt::format(" {}  {} {}", printable(attempt.name), printable(attempt.phase),
                                  short_seconds(seconds_between(attempt.phase_began, now)));
  if (attempt.phase_began != attempt.began) {
    right += fmt::format(" of {}", short_seconds(seconds_between(attempt.began, now)));
  }
  if (!attempt.detail.empty()) right += "  " + printable(attempt.detail);
  constexpr std::size_t kLeastCell = 8;
  const std::size_t room = columns > right.size() ? columns - right.size() : 0;
  const std::string cell = clip(attempt.cell, std::max(room, kLeastCell));
  return clip(cell + right, columns);
}

std::vector<std::string> LiveView::live_lines() const {
  // The last column stays free: a terminal wraps after it.
  const auto [columns, rows] = size();
  const std::size_t width = columns > 1 ? columns - 1 : 1;
  const std::size_t most = rows > 2 ? rows - 2 : 1;
  std::vector<std::string> lines;
  if (!step_.step.empty()) {
    const auto time = short_seconds(seconds_between(step_began_, options_.now()));
    lines.push_back(clip(fmt::format("{}  {}", step_text(step_), time), width));
  }
  for (const auto& [id, attempt] : attempts_) lines.push_back(attempt_line(attempt, width));
  if (lines.size() > most) {
    const std::size_t hidden = lines.size() - most + 1;
    lines.resize(most - 1);
    lines.push_back(clip(fmt::format("... and {} more", hidden), width));
  }
  return lines;
}

// Goes up over the live lines, writes those that stay in their place, then the live ones anew.
void LiveView::draw() {
  if (!options_.terminal) {
    for (const std::string& line : leaving_) out_ << line << '\n';
    leaving_.clear();
    out_.flush();
    return;
  }
  const auto lines = live_lines();
  if (leaving_.empty() && lines.empty() && drawn_ == 0) return;
  std::string frame;
  if (drawn_ > 0) frame += fmt::format("\x1b[{}A", drawn_);
  frame += '\r';
  for (const std::string& line : leaving_) frame += line + "\x1b[K\n";
  for (const std::string& line : lines) frame += line + "\x1b[K\n";
  frame += "\x1b[J";
  leaving_.clear();
  drawn_ = lines.size();
  out_ << frame << std::flush;
}

}  // namespace rig::publish
