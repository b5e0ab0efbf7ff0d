// SPDX-License-Identifier: Apache-2.0
#include "scenario/kernel_file.h"

#include <algorithm>
#include <array>

#include "base/arch.h"
#include "base/text.h"
#include "scenario/schema_reader.h"
#include "scenario/section_reader.h"
#include "scenario/units.h"

namespace rig::scenario {
namespace {

bool is_series(std::string_view text) {
  const auto parts = split(text, '.');
  return parts.size() == 2 && parse_u64(parts[0]) && parse_u64(parts[1]);
}

// "guest" of guest.config and guest-arm64.config in any of the folders, sorted.
std::vector<std::string> fragment_names(const std::vector<fs::path>& folders) {
  std::vector<std::string> names;
  for (const fs::path& folder : folders) {
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      if (it->path().extension() != ".config") continue;
      std::string name = it->path().stem().string();
      for (const Arch arch : {Arch::kX86_64, Arch::kArm64}) {
        const std::string suffix = fmt::format("-{}", to_string(arch));
        if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
      }
      names.push_back(std::move(name));
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

class KernelReader {
 public:
  KernelReader(std::vector<fs::path> folders, Problems& problems) : problems_(problems) {
    spec_.config.folders = std::move(folders);
  }

  KernelSpec read(const Node& root) {
    static const std::array<std::string, 4> kProviders = {"debian", "source", "git", "tree"};
    MapReader map(root, "the kernel", problems_);
    if (const Node* node = map.require("provider")) {
      spec_.provider = read_choice(*node, "provider", kProviders, problems_).value_or("");
    }
    if (spec_.provider == "debian") read_debian(map);
    if (spec_.provider == "source") read_source(map);
    if (spec_.provider == "git") read_git(map);
    if (spec_.provider == "tree") read_tree(map);
    read_entry(map);
    if (!spec_.provider.empty()) map.finish();
    return std::move(spec_);
  }

 private:
  void read_series(MapReader& map) {
    const Node* node = map.require("series");
    if (node == nullptr) return;
    spec_.series = read_text(*node, "'series'", problems_).value_or("");
    if (spec_.series.empty() || is_series(spec_.series)) return;
    problems_.add(node->mark,
                  fmt::format("'series' must be like \"6.1\", found {}", shown(spec_.series)));
    spec_.series.clear();
  }

  void read_debian(MapReader& map) {
    read_series(map);
    const Node* node = map.find("abi");
    if (node == nullptr || spec_.series.empty()) return;
    const auto abi = read_text(*node, "'abi'", problems_);
    if (!abi || *abi == "newest") return;
    if (*abi == "oldest") {
      spec_.oldest = true;
    } else if (is_abi_of(*abi, spec_.series)) {
      spec_.abi = *abi;
    } else {
      problems_.add(node->mark,
                    fmt::format("'abi' must be newest, oldest or one of series {}, like {}.0-47, "
                                "found {}",
                                spec_.series, spec_.series, shown(*abi)));
    }
  }

  void read_source(MapReader& map) {
    read_series(map);
    read_config(map);
  }

  void read_git(MapReader& map) {
    if (const Node* node = map.require("repository")) {
      spec_.repository = read_text(*node, "'repository'", problems_).value_or("");
    }
    if (const Node* node = map.require("revision")) {
      spec_.revision = read_text(*node, "'revision'", problems_).value_or("");
      if (spec_.revision.starts_with('-')) {
        problems_.add(node->mark, fmt::format("{} is no revision", shown(spec_.revision)));
      }
    }
    read_config(map);
  }

  void read_tree(MapReader& map) {
    if (const Node* node = map.require("build")) {
      spec_.build = read_text(*node, "'build'", problems_).value_or("");
    }
  }

  void read_config(MapReader& map) {
    static const std::array<std::string, 3> kBases = {"allnoconfig", "tinyconfig", "defconfig"};
    const Node* node = map.require("config");
    if (node == nullptr) return;
    MapReader config(*node, "'config'", problems_);
    if (const Node* base = config.find("base")) {
      spec_.config.base = read_choice(*base, "base", kBases, problems_).value_or("allnoconfig");
    }
    if (const Node* fragments = config.require("fragments")) read_fragments(*fragments);
    config.finish();
  }

  void read_fragments(const Node& node) {
    const auto known = fragment_names(spec_.config.folders);
    for (const Node& item : read_list(node, "'fragments'", "[guest, kasan]", problems_)) {
      if (const auto name = read_choice(item, "fragment", known, problems_)) {
        spec_.config.fragments.push_back(*name);
      }
    }
  }

  void read_entry(MapReader& map) {
    static const std::array<std::string, 2> kEntries = {"vmlinux", "bzimage"};
    const Node* node = map.find("entry");
    if (node == nullptr) return;
    const auto entry = read_choice(*node, "entry", kEntries, problems_);
    if (entry == "bzimage") spec_.entry = Entry::kBzImage;
  }

  KernelSpec spec_;
  Problems& problems_;
};

}  // namespace

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

std::optional<fs::path> fragment_file(const KernelConfig& config, std::string_view name,
                                      std::string_view arch) {
  const std::string file =
      arch.empty() ? fmt::format("{}.config", name) : fmt::format("{}-{}.config", name, arch);
  std::error_code error;
  for (const fs::path& folder : config.folders) {
    if (fs::is_regular_file(folder / file, error)) return folder / file;
  }
  return std::nullopt;
}

std::optional<std::string> read_kernel_reference(const Node& node, Problems& problems) {
  if (node.kind != Node::Kind::kMap) return read_text(node, "'kernel'", problems);
  SectionReader<format::kKernelTree> map(node, "'kernel'", problems);
  const Node* build = map.require("build");
  map.finish();
  const auto path = build != nullptr ? read_text(*build, "'build'", problems) : std::nullopt;
  return path ? std::optional(fmt::format("build:{}", *path)) : std::nullopt;
}

Result<KernelSpec> read_kernel_file(const fs::path& file, const fs::path& folder) {
  RIG_ASSIGN(const std::string text, read_file(file, kMaxYamlBytes));
  RIG_ASSIGN(const Node root, parse_yaml(text, file.string()));
  Problems problems(file.string());
  KernelSpec spec =
      KernelReader({file.parent_path() / "fragments", folder / "fragments"}, problems).read(root);
  RIG_TRY(problems.status());
  spec.file = file;
  spec.name = file.stem().string();
  return spec;
}

}  // namespace rig::scenario
