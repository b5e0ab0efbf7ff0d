// SPDX-License-Identifier: Apache-2.0
#include "scenario/kernel_spec.h"

#include <algorithm>
#include <cstdlib>
#include <span>

#include "base/text.h"
#include "scenario/kernel_file.h"
#include "scenario/schema_reader.h"
#include "scenario/units.h"

namespace rig::scenario {

namespace {

constexpr std::string_view kBuildPrefix = "build:";

// The folder that a description or a tree is named after: "~" is the user's home.
fs::path expand_home(const std::string& path) {
  if (path != "~" && !path.starts_with("~/")) return path;
  const char* home = std::getenv("HOME");
  if (home == nullptr) return path;
  return fs::path(home) / fs::path(path.substr(1)).relative_path();
}

Status apply_abi(const KernelReference& reference, const std::string& name, KernelSpec& spec) {
  if (!reference.abi) return {};
  if (spec.provider != "debian") {
    return fail(Blame::kInput, "kernel {}: '@' chooses among Debian's ABIs, {} has none",
                shown(name), shown(spec.name));
  }
  const bool is_choice = *reference.abi == "oldest" || *reference.abi == "newest";
  if (!is_choice && !is_abi_of(*reference.abi, spec.series)) {
    return fail_hint(
        Blame::kInput,
        fmt::format("write {0}@{1}.0-47, {0}@oldest or {0}@newest", reference.name, spec.series),
        "kernel {}: {} is no ABI of series {}", shown(name), shown(*reference.abi), spec.series);
  }
  spec.oldest = *reference.abi == "oldest";
  spec.abi = is_choice ? std::nullopt : reference.abi;
  return {};
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
  if (reference.starts_with(kBuildPrefix)) {
    parsed.name = reference.substr(kBuildPrefix.size());
    parsed.is_path = parsed.is_build = true;
    return parsed;
  }
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
  if (parsed.is_build) {
    const fs::path folder = fs::path(parsed.name).lexically_normal();
    return fmt::format("build-{}",
                       (folder.has_filename() ? folder : folder.parent_path()).filename().string());
  }
  const std::string name = parsed.is_path ? fs::path(parsed.name).stem().string() : parsed.name;
  return parsed.abi ? fmt::format("{}@{}", name, *parsed.abi) : name;
}

Result<std::string> absolute_kernel(const std::string& reference,
                                    const std::vector<fs::path>& bases) {
  const KernelReference parsed = parse_kernel_reference(reference);
  if (!parsed.is_path) return reference;
  std::error_code error;
  // As everywhere in a scenario: what begins with a dot begins at the last of the bases.
  const bool is_dotted = parsed.name.starts_with("./") || parsed.name.starts_with("../");
  const auto first = is_dotted && !bases.empty() ? bases.end() - 1 : bases.begin();
  if (parsed.is_build) {
    const fs::path given = expand_home(parsed.name);
    for (const fs::path& base : std::span(first, bases.end())) {
      const fs::path path = fs::absolute(base / given, error).lexically_normal();
      if (fs::is_directory(path, error)) return fmt::format("{}{}", kBuildPrefix, path.string());
    }
    return fail(Blame::kInput, "no folder {} with a built kernel", shown(parsed.name));
  }
  for (const fs::path& base : std::span(first, bases.end())) {
    const fs::path path = fs::absolute(base / parsed.name, error).lexically_normal();
    if (!fs::is_regular_file(path, error)) continue;
    return parsed.abi ? fmt::format("{}@{}", path.string(), *parsed.abi) : path.string();
  }
  return fail(Blame::kInput, "no kernel description {}", shown(parsed.name));
}

Status check_kernel_name(const std::string& name, const fs::path& folder) {
  const KernelReference reference = parse_kernel_reference(name);
  std::error_code error;
  if (reference.is_build) {
    if (fs::is_directory(reference.name, error)) return {};
    return fail(Blame::kInput, "no folder {} with a built kernel", shown(reference.name));
  }
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
  if (reference.is_build) {
    KernelSpec spec;
    spec.name = kernel_name(name);
    spec.provider = "tree";
    spec.build = spec.file = reference.name;
    return spec;
  }
  const fs::path file =
      reference.is_path ? fs::path(reference.name) : folder / (reference.name + ".yaml");
  RIG_ASSIGN(KernelSpec spec, read_kernel_file(file, folder));
  if (!spec.build.empty()) spec.build = file.parent_path() / expand_home(spec.build);
  if (spec.repository.starts_with("~")) spec.repository = expand_home(spec.repository);
  RIG_TRY(apply_abi(reference, name, spec));
  return spec;
}

}  // namespace rig::scenario
