// SPDX-License-Identifier: Apache-2.0
#include "scenario/stop_at_reader.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"

namespace rig::scenario {
namespace {

constexpr std::size_t kMaxNames = 32;

bool is_identifier(std::string_view text) {
  const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  return !text.empty() && text.size() <= 128 && std::isdigit(text[0]) == 0 &&
         std::all_of(text.begin(), text.end(), fits);
}

void check_name(const Node& node, const std::string& name, const LoadOptions& options,
                Problems& problems) {
  const auto& valid = options.stop_names;
  const std::string_view any = options.any_function;
  if (!any.empty() && name.starts_with(any)) {
    if (is_identifier(std::string_view(name).substr(any.size()))) return;
    return problems.add(node.mark,
                        fmt::format("'{}' names no function: write {}skb_release_data", name, any));
  }
  if (valid.empty() || std::find(valid.begin(), valid.end(), name) != valid.end()) return;
  const auto near = nearest(name, valid);
  problems.add(
      node.mark,
      fmt::format("'stop_at' knows no '{}'{} (any other function of the kernel: {}NAME)", name,
                  near ? fmt::format(", did you mean '{}'?", *near)
                       : fmt::format("; valid: {}", fmt::join(valid, ", ")),
                  any));
}

}  // namespace

std::vector<std::string> read_stop_at(const Node& node, const LoadOptions& options,
                                      Problems& problems) {
  std::vector<std::string> names;
  const auto items = node.kind == Node::Kind::kScalar
                         ? std::span<const Node>(&node, 1)
                         : read_list(node, "'stop_at'", "[slab_bug, __warn]", problems);
  if (node.kind == Node::Kind::kList && items.empty()) {
    problems.add(node.mark, "'stop_at' is empty: name a function, or leave it out");
  }
  if (items.size() > kMaxNames) {
    problems.add(node.mark,
                 fmt::format("'stop_at' takes {} names, found {}", kMaxNames, items.size()));
  }
  for (const Node& item : items) {
    auto name = read_text(item, "'stop_at'", problems);
    if (!name) continue;
    check_name(item, *name, options, problems);
    if (std::find(names.begin(), names.end(), *name) != names.end()) {
      problems.add(item.mark, fmt::format("'stop_at' names '{}' twice", *name));
    }
    names.push_back(*std::move(name));
  }
  return names;
}

}  // namespace rig::scenario
