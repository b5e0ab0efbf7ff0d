// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "base/text.h"
#include "publish/ladder.h"
#include "publish/terminal.h"

namespace rig::publish {

namespace {

using Line = std::array<std::string, 9>;

const Line kHead = {"  DETECTOR", "CAUGHT",         "REPORTED", "IN",   "NAMES",
                    "AFTER",      "THE CORE SHOWS", "WORK",     "SPEED"};
constexpr std::size_t kFirstNumber = 7;  // from here on to the right
constexpr std::size_t kWidest = 44;      // of a column

std::string number(const std::optional<double>& value, std::string_view format) {
  return value ? fmt::format(fmt::runtime(format), *value) : "-";
}

// Only where the kernels differ they are worth a column's width.
bool differ(const Ladder& ladder) {
  return std::any_of(ladder.rungs.begin(), ladder.rungs.end(),
                     [&](const Rung& each) { return each.kernel != ladder.rungs.front().kernel; });
}

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : clip(text, kWidest);
}

Line line_of(const Rung& rung, bool with_kernel) {
  return {"  " + rung.detector + (with_kernel ? " on " + rung.kernel : ""),
          fmt::format("{} of {}", rung.caught, rung.attempts),
          or_dash(rung.report),
          or_dash(rung.function),
          std::string(to_string(rung.named)),
          rung.seconds ? human_seconds(*rung.seconds) : "-",
          or_dash(rung.evidence),
          number(rung.work, "{:.0f}"),
          number(rung.speed, "{:.2f}x")};
}

std::string table(const Ladder& ladder, bool colour) {
  std::vector<Line> lines = {kHead};
  for (const Rung& rung : ladder.rungs) lines.push_back(line_of(rung, differ(ladder)));
  std::array<std::size_t, std::tuple_size_v<Line>> widths{};
  for (const Line& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string out;
  for (const Line& line : lines) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) {
      text += i == 0 ? "" : "  ";
      text += i >= kFirstNumber ? fmt::format("{:>{}}", printable(line[i]), widths[i])
                                : fmt::format("{:<{}}", printable(line[i]), widths[i]);
    }
    out += (&line == &lines.front() ? paint(text, Colour::kBold, colour) : text) + "\n";
  }
  return out;
}

}  // namespace

std::string ladder_text(const std::vector<Ladder>& ladders, bool colour) {
  std::string out;
  for (const Ladder& ladder : ladders) {
    out +=
        fmt::format("{}What each detector makes of {}, {}, on {}:\n", out.empty() ? "" : "\n",
                    printable(ladder.scenario), printable(ladder.variant), printable(ladder.arch));
    out += table(ladder, colour);
  }
  return out;
}

}  // namespace rig::publish
