// SPDX-License-Identifier: Apache-2.0
#include "publish/cmdline_text.h"

#include <set>
#include <tuple>

#include "base/text.h"

namespace rig::publish {
namespace {

void add(std::string& line, std::string_view what, const std::set<std::string>& names) {
  if (names.empty()) return;
  line += fmt::format("; {}: {}", what, printable(fmt::format("{}", fmt::join(names, ", "))));
}

}  // namespace

std::string cmdline_text(const store::RunRecord& run) {
  std::size_t all = 0, effective = 0;
  std::set<std::string> ignored, unseen, unchecked;
  // Variants of a cell share a command line.
  std::set<std::tuple<std::string, std::string, std::string, std::string>> seen;
  for (const store::CellRecord& cell : run.cells) {
    if (!seen.emplace(cell.scenario, cell.arch, cell.kernel, cell.detector).second) continue;
    if (!cell.not_checked.empty()) {
      unchecked.insert(fmt::format("{}/{}/{}", cell.arch, cell.kernel, cell.detector));
    }
    all += cell.parameters.size();
    for (const cmdline::Effect& effect : cell.parameters) {
      if (effect.state == cmdline::State::kEffective) ++effective;
      if (effect.state == cmdline::State::kNotCheckable) unseen.insert(effect.parameter);
      if (effect.failed()) ignored.insert(effect.parameter);
    }
  }
  if (all == 0 && unchecked.empty()) return {};
  std::string line = fmt::format("command line: {} of {} parameter{} took effect", effective, all,
                                 all == 1 ? "" : "s");
  add(line, "without effect, as declared", ignored);
  add(line, "cannot be seen", unseen);
  add(line, "not checked", unchecked);
  return line + "\n";
}

}  // namespace rig::publish
