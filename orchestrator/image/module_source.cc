// SPDX-License-Identifier: Apache-2.0
#include "image/module_source.h"

#include <algorithm>

#include "base/process.h"
#include "base/text.h"
#include "image/cache_survey.h"
#include "image/describe_kernel.h"
#include "image/kernel_source.h"

namespace rig::image {
namespace {

constexpr std::size_t kMostSources = 10000;
constexpr auto kPatchTime = std::chrono::minutes(1);

// What a build in the source folder leaves: it is neither hashed nor copied.
bool is_left_by_make(const fs::path& path) {
  constexpr std::string_view kEndings[] = {".o", ".ko",    ".cmd",     ".mod",
                                           ".d", ".order", ".symvers", ".mod.c"};
  const std::string name = path.filename().string();
  if (name == ".git" || name == ".tmp_versions" || name.ends_with("~")) return true;
  return std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

bool has_rules(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "Kbuild", ignored) || fs::exists(folder / "Makefile", ignored);
}

// The source files, relative to the folder, sorted.
Result<std::vector<fs::path>> list_files(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> files;
  auto walk = fs::recursive_directory_iterator(folder, error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    if (is_left_by_make(walk->path())) {
      if (walk->is_directory(error)) walk.disable_recursion_pending();
      continue;
    }
    if (walk->is_regular_file(error)) files.push_back(walk->path().lexically_relative(folder));
    if (files.size() > kMostSources) {
      return fail(Blame::kInput, "{} has more than {} files: not a module's folder",
                  folder.string(), kMostSources);
    }
  }
  if (error) return fail(Blame::kInput, "cannot read {}: {}", folder.string(), error.message());
  std::sort(files.begin(), files.end());
  return files;
}

// ", did you mean 'drivers/scsi/megaraid'?": what lies where the path was last right.
std::string near_in_tree(const fs::path& top, const fs::path& wanted) {
  fs::path right;
  std::error_code error;
  for (const fs::path& part : wanted) {
    if (fs::is_directory(top / right / part, error)) {
      right /= part;
      continue;
    }
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(top / right, error)) {
      if (entry.is_directory(error)) names.push_back((right / entry.path().filename()).string());
    }
    const auto near = nearest((right / part).string(), names);
    return near ? fmt::format(", did you mean '{}'?", *near) : "";
  }
  return "";
}

// modules.builtin has a line "kernel/drivers/scsi/megaraid/megaraid_sas.ko" for each.
bool is_built_in(const Kernel& kernel, const std::string& name) {
  const auto list = read_file(kernel.modules / "modules.builtin");
  if (!list) return false;
  const auto lines = split(*list, '\n');
  return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
    return with_underscores(fs::path(std::string(trim(line))).stem().string()) ==
           with_underscores(name);
  });
}

// One module of those that the folder's own rules know, whatever the kernel's configuration says of
// it: Kbuild looks for a file Kbuild before it looks for a Makefile.
Status write_rules(const ModuleSource& source, const fs::path& copy) {
  std::error_code error;
  fs::path own = "Makefile";
  if (fs::exists(copy / "Kbuild", error)) {
    own = "Kbuild.in_tree";
    fs::rename(copy / "Kbuild", copy / own, error);
    if (error) {
      return fail(Blame::kRig, "cannot rename {}: {}", (copy / "Kbuild").string(), error.message());
    }
  }
  return write_file_atomically(
      copy / "Kbuild",
      fmt::format("include $(src)/{}\nobj-y :=\nobj-m := {}.o\n", own.string(), source.name));
}

// The file of "+++ b/drivers/scsi/x.c<TAB>date", without the first part of its path.
std::string patched_file(std::string_view line) {
  const std::string_view path = trim(line.substr(4, line.find('\t') - 4));
  const auto slash = path.find('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

// Only the module's folder is built: a patch to anything else would be without effect.
Status check_patch(const ModuleSource& source, const fs::path& patch) {
  RIG_ASSIGN(const std::string text, read_file(patch));
  bool any = false;
  for (const std::string& line : split(text, '\n')) {
    if (!line.starts_with("+++ ") || line.starts_with("+++ /dev/null")) continue;
    any = true;
    const std::string file = patched_file(line);
    if (fs::path(file).lexically_normal().string().starts_with(source.place.string() + "/")) {
      continue;
    }
    return fail_hint(Blame::kInput,
                     fmt::format("paths in a patch start at the top of the source, a/{}/…",
                                 source.place.string()),
                     "{}: it changes {}, but only {} is built", patch.string(), file,
                     source.place.string());
  }
  if (any) return {};
  return fail_hint(Blame::kInput, "it has to be a unified diff, as diff -up and git diff write it",
                   "{}: there is nothing to apply", patch.string());
}

// What patch(1) says of what it could not do, each with its file:
// "drivers/scsi/x.c: Hunk #2 FAILED at 1750".
std::string failed_hunks(const std::string& output) {
  std::vector<std::string> failed;
  std::string file;
  for (const std::string& line : split(output, '\n')) {
    constexpr std::string_view kPatching = "patching file ";
    if (line.starts_with(kPatching)) file = line.substr(kPatching.size());
    if (line.starts_with("Hunk #") && line.find("FAILED") != std::string::npos) {
      failed.push_back(fmt::format("{}: {}", file, line.substr(0, line.find_last_not_of('.') + 1)));
    } else if (line.starts_with("can't find file to patch")) {
      failed.push_back(line);
    } else if (line.starts_with("patch: ****")) {
      failed.emplace_back(trim(std::string_view(line).substr(11)));
    }
  }
  return fmt::format("{}", fmt::join(failed, "; "));
}

Status apply(const ModuleSource& source, const fs::path& patch, const fs::path& root,
             const std::stop_token& stop) {
  RIG_TRY(find_program("patch", "patch"));
  RIG_TRY(check_patch(source, patch));
  // Without fuzz: what fits only nearly may mean something else there.
  const Command command{"patch",
                        {"-p1", "--fuzz=0", "--forward", "--batch", "--no-backup-if-mismatch",
                         "--reject-file=-", "-i", fs::absolute(patch).string()},
                        root,
                        {{"LC_ALL", "C"}}};
  RIG_ASSIGN(const Completed done,
             run(command, {.deadline = Deadline::after(kPatchTime), .stop = stop}));
  if (done.ok()) return {};
  const std::string why = failed_hunks(done.out + "\n" + done.err);
  return fail_hint(
      Blame::kInput,
      fmt::format("make it against {}; a hunk must fit exactly, at any line", source.origin),
      "{} does not apply to {}: {}", patch.string(), source.text(),
      why.empty() ? trim(done.out + done.err) : std::string_view(why));
}

}  // namespace

std::string ModuleSource::text() const {
  if (origin.empty()) return folder.string();
  return fmt::format("{} of {}", place.string(), origin);
}

Result<ModuleSource> module_folder(const fs::path& folder) {
  fs::path named = folder.has_filename() ? folder : folder.parent_path();  // "modules/x/"
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return fail(Blame::kInput, "the module's folder {} does not exist", folder.string());
  }
  if (!has_rules(folder)) {
    return fail_hint(Blame::kInput, "one line is enough: obj-m := NAME.o",
                     "{} has neither a Kbuild nor a Makefile", folder.string());
  }
  const std::string name = fs::absolute(named).lexically_normal().filename().string();
  ModuleSource source{.folder = std::move(named), .place = name, .name = name};
  RIG_ASSIGN(source.files, list_files(source.folder));
  return source;
}

Result<ModuleSource> module_in_tree(const Kernel& kernel, const scenario::KernelSpec& spec,
                                    const scenario::Module& module, const FetchOptions& options) {
  if (is_built_in(kernel, module.name)) {
    return fail_hint(Blame::kInput, "choose a kernel that has it as a module (=m), or not at all",
                     "the kernel {} has {} built in: a module cannot take its place",
                     kernel.release, module.name);
  }
  RIG_ASSIGN(const KernelSource tree, source_of(kernel, spec, options));
  RIG_ASSIGN(const fs::path top, tree.fetch());
  if (spec.provider != "tree") mark_used(top);
  const std::string origin = fmt::format("{} {}", tree.version.package, tree.version.version);
  std::error_code error;
  if (!fs::is_directory(top / module.in_tree, error)) {
    return fail(Blame::kInput, "{} has no folder {}{}", origin, module.in_tree.string(),
                near_in_tree(top, module.in_tree));
  }
  if (!has_rules(top / module.in_tree)) {
    return fail(Blame::kInput, "{} of {} has neither a Kbuild nor a Makefile",
                module.in_tree.string(), origin);
  }
  ModuleSource source{.folder = top / module.in_tree,
                      .place = module.in_tree,
                      .name = module.name,
                      .origin = origin,
                      .patches = module.patches};
  RIG_ASSIGN(source.files, list_files(source.folder));
  return source;
}

Status hash_source(const ModuleSource& source, ContentHash& hash) {
  hash.add(source.name).add(source.place.string());
  for (const fs::path& file : source.files) {
    hash.add(file.string());
    RIG_TRY(hash.add_file(source.folder / file));
  }
  for (const fs::path& patch : source.patches) {
    hash.add("patch");
    RIG_TRY(hash.add_file(patch));
  }
  return {};
}

Status copy_source(const ModuleSource& source, const fs::path& root, const std::stop_token& stop) {
  const fs::path copy = root / source.place;
  std::error_code error;
  fs::create_directories(copy, error);
  for (const fs::path& file : source.files) {
    const fs::path from = source.folder / file;
    fs::create_directories((copy / file).parent_path(), error);
    if (!error) fs::copy_file(from, copy / file, error);
    if (error) return fail(Blame::kRig, "cannot copy {}: {}", from.string(), error.message());
  }
  if (source.origin.empty()) return {};
  for (const fs::path& patch : source.patches) RIG_TRY(apply(source, patch, root, stop));
  return write_rules(source, copy);
}

}  // namespace rig::image
