// SPDX-License-Identifier: Apache-2.0
#include "scenario/capture_reader.h"

#include <string>
#include <vector>

#include "base/text.h"

namespace rig::scenario {
namespace {

std::vector<std::string> capture_names() {
  std::vector<std::string> names;
  for (const NamedCapture& each : kCaptures) names.emplace_back(each.name);
  return names;
}

}  // namespace

std::optional<Capture> read_capture(const Node& node, Problems& problems) {
  const auto name = read_choice(node, "capture", capture_names(), problems);
  for (const NamedCapture& each : kCaptures) {
    if (name == each.name) return each.capture;
  }
  return std::nullopt;
}

std::optional<unsigned> read_dump_level(const Node& node, Problems& problems) {
  const auto level = read_number(node, "'dump_level'", problems, 0, kMaxDumpLevel);
  return level ? std::optional(static_cast<unsigned>(*level)) : std::nullopt;
}

Result<Capture> parse_capture(std::string_view name) {
  for (const NamedCapture& each : kCaptures) {
    if (name == each.name) return each.capture;
  }
  return fail(Blame::kInput, "--capture: unknown '{}'{}", name,
              suggest(std::string(name), capture_names()));
}

}  // namespace rig::scenario
