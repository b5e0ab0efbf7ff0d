// SPDX-License-Identifier: Apache-2.0
#include "scenario/module_reader.h"

#include <algorithm>

#include "base/text.h"
#include "scenario/section_reader.h"
#include "scenario/units.h"

namespace rig::scenario {
namespace {

// What exists beside `path`, spelled as `written` is: candidates for "did you mean".
std::vector<std::string> siblings(const fs::path& path, const std::string& written) {
  std::vector<std::string> names;
  std::error_code error;
  const fs::path parent = fs::path(written).parent_path();
  for (fs::directory_iterator it(path.parent_path(), error), end; !error && it != end;
       it.increment(error)) {
    names.push_back((parent / it->path().filename()).string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// `what` names it in messages: "module", "patch".
std::optional<fs::path> read_existing(const Node& node, std::string_view what,
                                      const PathBases& bases, Problems& problems) {
  const auto text = read_text(node, fmt::format("'{}'", what), problems);
  if (!text) return std::nullopt;
  if (auto path = bases.find(*text)) return path;
  std::vector<std::string> there;
  for (const fs::path& base : bases.of(*text)) {
    for (std::string& name : siblings(base / *text, *text)) there.push_back(std::move(name));
  }
  const auto near = nearest(*text, there);
  problems.add(node.mark, fmt::format("{} {} does not exist{}", what, describe(node),
                                      near ? fmt::format(", did you mean '{}'?", *near) : ""));
  return std::nullopt;
}

Module read_folder(const Node& node, const PathBases& bases, Problems& problems) {
  const auto path = read_existing(node, "module", bases, problems);
  if (!path) return {};
  std::error_code error;
  if (!fs::exists(*path / "Kbuild", error) && !fs::exists(*path / "Makefile", error)) {
    problems.add(node.mark,
                 fmt::format("module {} has no Kbuild: it must be the folder of an external module",
                             describe(node)));
  }
  return {.folder = *path};
}

// "drivers/scsi/megaraid": below the top of the source, and spelled in one way only.
fs::path read_in_tree(const Node& node, Problems& problems) {
  const auto text = read_text(node, "'in_tree'", problems);
  if (!text) return {};
  fs::path path = fs::path(*text).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // "drivers/net/"
  if (path.empty() || path.is_absolute() || path == "." || *path.begin() == "..") {
    problems.add(node.mark, fmt::format("'in_tree' is a folder of the kernel's source, like "
                                        "drivers/scsi/megaraid, found {}",
                                        describe(node)));
    return {};
  }
  return path;
}

std::vector<fs::path> read_patches(const Node& node, const PathBases& bases, Problems& problems) {
  std::vector<fs::path> patches;
  for (const Node& item : read_list(node, "'patches'", "[my.patch]", problems)) {
    const auto path = read_existing(item, "patch", bases, problems);
    std::error_code error;
    if (path && !fs::is_regular_file(*path, error)) {
      problems.add(item.mark, fmt::format("patch {} is no file", describe(item)));
    } else if (path) {
      patches.push_back(*path);
    }
  }
  return patches;
}

}  // namespace

Module read_module(const Node& node, const PathBases& bases, Problems& problems) {
  if (node.kind != Node::Kind::kMap) return read_folder(node, bases, problems);
  Module module;
  SectionReader<format::kModule> map(node, "'module'", problems);
  if (const Node* tree = map.require("in_tree")) module.in_tree = read_in_tree(*tree, problems);
  module.name = module.in_tree.filename().string();
  if (const Node* name = map.find("name")) {
    module.name = read_name(*name, "'name'", problems).value_or(module.name);
  }
  if (const Node* patches = map.find("patches")) {
    module.patches = read_patches(*patches, bases, problems);
  }
  map.finish();
  return module;
}

}  // namespace rig::scenario
