// SPDX-License-Identifier: Apache-2.0
#include "commands/progress_line.h"

#include <fmt/format.h>

#include "base/text.h"

namespace rig::commands {
namespace {

constexpr auto kPlainEvery = std::chrono::seconds(20);
constexpr std::size_t kColumns = 110;

}  // namespace

void ProgressLine::show(const Progress& progress) {
  const bool is_new = progress.step != step_;
  if (is_new) {
    step_ = progress.step;
    step_watch_ = {};
  }
  const auto now = Clock::now();
  if (!live_ && !is_new && shown_ && now - *shown_ < kPlainEvery) return;
  shown_ = now;
  std::string line = progress.step;
  if (progress.fraction) line += fmt::format(" {:.0f} %", *progress.fraction * 100);
  if (!progress.detail.empty()) line += fmt::format(" ({})", progress.detail);
  if (!is_new) line += fmt::format(" {}", human_seconds(step_watch_.seconds()));
  if (live_) {
    fmt::print(out_, "\r\033[K{}", line.substr(0, kColumns));
  } else {
    fmt::print(out_, "{}\n", line);
  }
  std::fflush(out_);
}

void ProgressLine::note(std::string_view text) {
  clear();
  fmt::print(out_, "{}\n", text);
}

void ProgressLine::clear() {
  if (live_ && shown_) fmt::print(out_, "\r\033[K");
  std::fflush(out_);
}

}  // namespace rig::commands
