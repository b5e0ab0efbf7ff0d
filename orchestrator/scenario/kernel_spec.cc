// SPDX-License-Identifier: Apache-2.0
#include "scenario/kernel_spec.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "scenario/schema_reader.h"
#include "scenario/units.h"

namespace rig::scenario {

namespace {

// "6.1.0-47" belongs to series "6.1".
bool is_abi_of(std::string_view abi, std::string_view series) {
  if (!abi.starts_with(series) || abi.substr(series.size(), 1) != ".") return false;
  const auto dash = abi.find('-');
  if (dash == std::string_view::npos) return false;
  const auto is_numbers = [](std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(),
                                        [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
  };
  return is_numbers(abi.substr(0, dash)) && is_numbers(abi.substr(dash + 1));
}

bool is_series(std::string_view text) {
  const auto parts = split(text, '.');
  return parts.size() == 2 && parse_u64(parts[0]) && parse_u64(parts[1]);
}

void read_abi(const Node& node, KernelSpec& spec, Problems& problems) {
  const auto abi = read_text(node, "'abi'", problems);
  if (!abi || *abi == "newest") return;
  if (!is_abi_of(*abi, spec.series)) {
    problems.add(node.mark, fmt::format("'abi' must be newest or one of series {}, like {}.0-47, "
                                        "found {}",
                                        spec.series, spec.series, shown(*abi)));
    return;
  }
  spec.abi = *abi;
}

KernelSpec read_kernel(const Node& root, Problems& problems) {
  static const std::array<std::string, 1> kProviders = {"debian"};
  static const std::array<std::string, 2> kEntries = {"vmlinux", "bzimage"};
  KernelSpec spec;
  MapReader map(root, "the kernel", problems);
  if (const Node* node = map.require("provider")) {
    spec.provider = read_choice(*node, "provider", kProviders, problems).value_or("");
  }
  if (const Node* node = map.require("series")) {
    spec.series = read_text(*node, "'series'", problems).value_or("");
    if (!spec.series.empty() && !is_series(spec.series)) {
      problems.add(node->mark,
                   fmt::format("'series' must be like \"6.1\", found {}", shown(spec.series)));
      spec.series.clear();
    }
  }
  if (const Node* node = map.find("abi"); node != nullptr && !spec.series.empty()) {
    read_abi(*node, spec, problems);
  }
  if (const Node* node = map.find("entry")) {
    const auto entry = read_choice(*node, "entry", kEntries, problems);
    if (entry == "bzimage") spec.entry = Entry::kBzImage;
  }
  map.finish();
  return spec;
}

}  // namespace

std::vector<std::string> kernel_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".yaml") names.push_back(it->path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// A folder may have an '@' in its name: the pin's is behind the last '/'.
KernelReference parse_kernel_reference(const std::string& reference) {
  KernelReference parsed;
  const auto slash = reference.rfind('/');
  auto at = reference.rfind('@');
  if (slash != std::string::npos && at != std::string::npos && at < slash) at = std::string::npos;
  parsed.name = reference.substr(0, at);
  if (at != std::string::npos) parsed.abi = reference.substr(at + 1);
  parsed.is_path = slash != std::string::npos || parsed.name.ends_with(".yaml");
  return parsed;
}

std::string kernel_name(const std::string& reference) {
  const KernelReference parsed = parse_kernel_reference(reference);
  const std::string name = parsed.is_path ? fs::path(parsed.name).stem().string() : parsed.name;
  return parsed.abi ? fmt::format("{}@{}", name, *parsed.abi) : name;
}

Result<std::string> absolute_kernel(const std::string& reference,
                                    const std::vector<fs::path>& bases) {
  const KernelReference parsed = parse_kernel_reference(reference);
  if (!parsed.is_path) return reference;
  std::error_code error;
  for (const fs::path& base : bases) {
    const fs::path path = fs::absolute(base / parsed.name, error).lexically_normal();
    if (!fs::is_regular_file(path, error)) continue;
    return parsed.abi ? fmt::format("{}@{}", path.string(), *parsed.abi) : path.string();
  }
  return fail(Blame::kInput, "no kernel description {}", shown(parsed.name));
}

Status check_kernel_name(const std::string& name, const fs::path& folder) {
  const KernelReference reference = parse_kernel_reference(name);
  std::error_code error;
  if (reference.is_path) {
    if (fs::is_regular_file(reference.name, error)) return {};
    return fail(Blame::kInput, "no kernel description {}", shown(reference.name));
  }
  const auto names = kernel_names(folder);
  if (std::find(names.begin(), names.end(), reference.name) != names.end()) return {};
  if (names.empty()) {
    return fail(Blame::kInput, "unknown kernel {}; there is none in {}", shown(reference.name),
                folder.string());
  }
  const auto near = nearest(reference.name, names);
  return fail_hint(Blame::kInput, fmt::format("{} has {}", folder.string(), fmt::join(names, ", ")),
                   "unknown kernel {}{}", shown(reference.name),
                   near ? fmt::format(", did you mean '{}'?", *near) : "");
}

Result<KernelSpec> load_kernel_spec(const std::string& name, const fs::path& folder) {
  RIG_TRY(check_kernel_name(name, folder));
  const KernelReference reference = parse_kernel_reference(name);
  const fs::path file =
      reference.is_path ? fs::path(reference.name) : folder / (reference.name + ".yaml");
  RIG_ASSIGN(const std::string text, read_file(file, kMaxYamlBytes));
  RIG_ASSIGN(const Node root, parse_yaml(text, file.string()));
  Problems problems(file.string());
  KernelSpec spec = read_kernel(root, problems);
  RIG_TRY(problems.status());
  spec.file = file;
  spec.name = file.stem().string();
  if (reference.abi) {
    if (!is_abi_of(*reference.abi, spec.series)) {
      return fail_hint(Blame::kInput, fmt::format("write {}@{}.0-47", reference.name, spec.series),
                       "kernel {}: {} is no ABI of series {}", shown(name), shown(*reference.abi),
                       spec.series);
    }
    spec.abi = reference.abi;
  }
  return spec;
}

}  // namespace rig::scenario
