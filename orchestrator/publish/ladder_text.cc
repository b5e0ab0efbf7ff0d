// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/text.h"
#include "base/text_table.h"
#include "publish/ladder.h"
#include "publish/terminal.h"

namespace rig::publish {

namespace {

constexpr std::size_t kWidest = 44;  // of a column

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

std::string table(const Ladder& ladder, bool colour) {
  TextTable table({"<DETECTOR", "<CAUGHT", "<REPORTED", "<IN", "<NAMES", "<AFTER",
                   "<THE CORE SHOWS", ">WORK", ">SPEED"});
  const bool with_kernel = differ(ladder);
  for (const Rung& rung : ladder.rungs) {
    table.row({rung.detector + (with_kernel ? " on " + rung.kernel : ""),
               fmt::format("{} of {}", rung.caught, rung.attempts), or_dash(rung.report),
               or_dash(rung.function), std::string(to_string(rung.named)),
               rung.seconds ? human_seconds(*rung.seconds) : "-", or_dash(rung.evidence),
               number(rung.work, "{:.0f}"), number(rung.speed, "{:.2f}x")});
  }
  return table.text("  ", [&](std::size_t row, std::size_t, const std::string& text) {
    return row == TextTable::kHeader ? paint(text, Colour::kBold, colour) : text;
  });
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
