// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <thread>

#include "base/process.h"
#include "base/text.h"
#include "image/boot_image.h"
#include "image/cache_survey.h"
#include "image/content_hash.h"
#include "image/describe_kernel.h"
#include "image/guarded.h"
#include "image/leftovers.h"
#include "image/modes.h"
#include "image/module_types.h"
#include "image/toolchain.h"

namespace rig::image {
namespace {

constexpr std::string_view kModuleFormat = "module 2";  // raise it when what is built changes
constexpr std::size_t kMostSources = 10000;

// What a build in the source folder leaves: it is neither hashed nor copied.
bool is_left_by_make(const fs::path& path) {
  constexpr std::string_view kEndings[] = {".o", ".ko",    ".cmd",     ".mod",
                                           ".d", ".order", ".symvers", ".mod.c"};
  const std::string name = path.filename().string();
  if (name == ".git" || name == ".tmp_versions" || name.ends_with("~")) return true;
  return std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

// make's own lines only say where the build is, after the compiler has said what is wrong.
std::string without_make(std::string_view text) {
  std::string kept;
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with("make: ") || line.starts_with("make[")) continue;
    kept += (kept.empty() ? "" : "\n") + line;
  }
  return kept.empty() ? std::string(text) : kept;
}

// The source files, relative to the folder, sorted.
Result<std::vector<fs::path>> list_sources(const fs::path& source) {
  std::error_code error;
  if (!fs::is_directory(source, error)) {
    return fail(Blame::kInput, "the module's folder {} does not exist", source.string());
  }
  if (!fs::exists(source / "Kbuild", error) && !fs::exists(source / "Makefile", error)) {
    return fail_hint(Blame::kInput, "one line is enough: obj-m := NAME.o",
                     "{} has neither a Kbuild nor a Makefile", source.string());
  }
  std::vector<fs::path> files;
  auto walk = fs::recursive_directory_iterator(source, error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    if (is_left_by_make(walk->path())) {
      if (walk->is_directory(error)) walk.disable_recursion_pending();
      continue;
    }
    if (walk->is_regular_file(error)) files.push_back(walk->path().lexically_relative(source));
    if (files.size() > kMostSources) {
      return fail(Blame::kInput, "{} has more than {} files: not a module's folder",
                  source.string(), kMostSources);
    }
  }
  if (error) return fail(Blame::kInput, "cannot read {}: {}", source.string(), error.message());
  std::sort(files.begin(), files.end());
  return files;
}

class ModuleBuild {
 public:
  ModuleBuild(const Kernel& kernel, fs::path source, const FetchOptions& options)
      : kernel_(kernel), source_(std::move(source)), options_(options) {
    if (!source_.has_filename()) source_ = source_.parent_path();  // "modules/x/"
    name_ = fs::absolute(source_).lexically_normal().filename().string();
  }

  Result<fs::path> run() {
    RIG_TRY(find_tools());
    RIG_ASSIGN(files_, list_sources(source_));
    RIG_ASSIGN(const std::string hash, hash_inputs());
    RIG_ASSIGN(const fs::path cache, cache_dir());
    const fs::path folder = cache / "modules";
    const fs::path final_folder = folder / fmt::format("{}-{}", name_, hash.substr(0, 16));
    if (auto built = find_built(final_folder)) {
      mark_used(final_folder);
      return *built;
    }
    RIG_TRY(make_folder(folder));
    RIG_ASSIGN(const FileLock lock,
               FileLock::acquire(folder / (final_folder.filename().string() + ".lock"),
                                 Deadline::after(std::chrono::minutes(10)), options_.stop));
    if (auto built = find_built(final_folder)) return *built;
    return build(folder, final_folder);
  }

 private:
  // The same compiler as the kernel's, or the kernel's flags may not fit it.
  Status find_tools() {
    const Toolchain& tools = toolchain(kernel_.arch);
    const bool cross = kernel_.arch != host_arch();
    const std::string compiler =
        (cross ? std::string(tools.cross) : std::string()) + kernel_.compiler;
    RIG_ASSIGN(compiler_,
               find_program(compiler, cross ? kernel_.compiler + std::string(tools.package)
                                            : kernel_.compiler));
    RIG_TRY(find_program("make", "make"));
    arguments_ = {fmt::format("ARCH={}", tools.kbuild), fmt::format("CC={}", compiler)};
    if (cross) arguments_.push_back(fmt::format("CROSS_COMPILE={}", tools.cross));
    if (kernel_.build.string().find_first_of(" :") != std::string::npos) {
      return fail_hint(Blame::kRig, "set XDG_CACHE_HOME to another folder",
                       "the kernel's build cannot work in {}: a space or colon in the path",
                       kernel_.build.string());
    }
    return {};
  }

  Result<std::string> hash_inputs() const {
    ContentHash hash;
    hash.add(kModuleFormat).add(kernel_.package).add(kernel_.version).add(name_);
    for (const std::string& argument : arguments_) hash.add(argument);
    std::error_code ignored;
    const fs::path compiler = fs::canonical(compiler_, ignored);
    hash.add(fmt::format("{} {}", compiler.string(), fs::file_size(compiler, ignored)));
    // With pahole there are types that there were none of without.
    const auto pahole = find_program("pahole", "dwarves");
    hash.add(pahole ? fmt::format("pahole {}", fs::file_size(*pahole, ignored)) : "no pahole");
    for (const fs::path& file : files_) {
      hash.add(file.string());
      RIG_TRY(hash.add_file(source_ / file));
    }
    return hash.finish();
  }

  static std::optional<fs::path> find_built(const fs::path& folder) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      if (entry.path().extension() == ".ko") return entry.path();
    }
    return std::nullopt;
  }

  Result<fs::path> build(const fs::path& folder, const fs::path& final_folder) {
    tell(options_.progress,
         {fmt::format("build module {} for {}", name_, kernel_.release), {}, ""});
    const std::string prefix = "." + final_folder.filename().string();
    remove_leftovers(folder, prefix);
    RIG_ASSIGN(const TempDir work, TempDir::create(prefix, folder));
    const fs::path copy = work.path() / name_;
    RIG_TRY(copy_sources(copy));
    RIG_TRY(make(copy));
    RIG_ASSIGN(const fs::path module, pick_product(copy));
    RIG_ASSIGN(TempDir product, TempDir::create(prefix, folder));
    RIG_TRY(finish(module, work.path(), product.path()));
    std::error_code error;
    fs::rename(module, product.path() / module.filename(), error);
    if (!error) RIG_TRY(set_modes(product.path()));
    if (!error) fs::rename(product.path(), final_folder, error);
    if (error) {
      return fail(Blame::kRig, "cannot create {}: {}", final_folder.string(), error.message());
    }
    product.release();
    return final_folder / module.filename();
  }

  Status copy_sources(const fs::path& copy) const {
    std::error_code error;
    fs::create_directories(copy, error);
    for (const fs::path& file : files_) {
      fs::create_directories((copy / file).parent_path(), error);
      if (!error) fs::copy_file(source_ / file, copy / file, error);
      if (error) {
        return fail(Blame::kRig, "cannot copy {}: {}", (source_ / file).string(), error.message());
      }
    }
    return {};
  }

  Status make(const fs::path& copy) const {
    Command command{"make", {"-C", kernel_.build.string(), "M=" + copy.string()}, {}, {}};
    command.args.insert(command.args.end(), arguments_.begin(), arguments_.end());
    command.args.push_back(fmt::format("-j{}", std::max(1U, std::thread::hardware_concurrency())));
    // Same bytes wherever cache and copy lie, and a WARN names a path that means something: the
    // headers' ones start with /usr/src as if installed.
    const fs::path headers = kernel_.build.parent_path().parent_path().parent_path();
    command.args.push_back(fmt::format("KCFLAGS=-ffile-prefix-map={}={} -ffile-prefix-map={}=",
                                       copy.string(), name_, headers.string()));
    command.args.push_back("modules");
    // Another make that runs us has nothing to say here; messages in English are searchable.
    command.environment = {{"MAKEFLAGS", ""}, {"MFLAGS", ""}, {"LC_ALL", "C"}};
    RIG_ASSIGN(const Completed done,
               rig::run(command, {.deadline = Deadline::after(std::chrono::minutes(10)),
                                  .stop = options_.stop}));
    if (done.ok()) return {};
    return explain(done, copy);
  }

  // The compiler's own words, with the paths of the source instead of the copy's.
  Status explain(const Completed& done, const fs::path& copy) const {
    std::string text = without_make(trim(done.err.empty() ? done.out : done.err));
    const std::string from = copy.string();
    const std::string to = source_.string();
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
    constexpr std::size_t kQuoted = 4000;  // the first error explains the others
    if (text.size() > kQuoted) text = text.substr(0, text.rfind('\n', kQuoted)) + "\n…";
    const bool machine = done.exit_code > 128 ||
                         text.find("No space left on device") != std::string::npos ||
                         text.find("Cannot allocate memory") != std::string::npos;
    return fail(machine ? Blame::kRig : Blame::kInput, "the module {} does not build for {}:\n{}",
                source_.string(), kernel_.release, text);
  }

  // Types for the analyzer go into the guest, DWARF does not: it stays in debug/ for --debuginfo.
  Status finish(const fs::path& module, const fs::path& work, const fs::path& product) const {
    RIG_ASSIGN(const std::string untyped, add_types(kernel_, module, work, options_.stop));
    if (!untyped.empty()) {
      warn(options_,
           fmt::format("module {} has no types, so that the analyzer will not know its structs: {}",
                       name_, untyped));
    }
    RIG_ASSIGN(const std::string unstripped,
               strip_module(kernel_, module, product / "debug" / module.filename(), options_.stop));
    if (!unstripped.empty()) {
      warn(options_, fmt::format("module {} keeps its DWARF: {}", name_, unstripped));
    }
    return {};
  }

  Result<fs::path> pick_product(const fs::path& copy) const {
    std::vector<fs::path> found;
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : fs::recursive_directory_iterator(copy, ignored)) {
      if (entry.path().extension() != ".ko") continue;
      if (entry.path().stem() == name_) return entry.path();
      found.push_back(entry.path());
      names.push_back(entry.path().filename().string());
    }
    if (found.size() == 1) return found.front();
    if (found.empty()) {
      return fail_hint(Blame::kInput, "its Kbuild needs a line like obj-m := NAME.o",
                       "{} builds no module", source_.string());
    }
    std::sort(names.begin(), names.end());
    return fail_hint(Blame::kInput, fmt::format("name the one to load {}.ko", name_),
                     "{} builds several modules: {}", source_.string(), fmt::join(names, ", "));
  }

  const Kernel& kernel_;
  fs::path source_;
  const FetchOptions& options_;
  std::string name_;
  fs::path compiler_;
  std::vector<std::string> arguments_;
  std::vector<fs::path> files_;
};

}  // namespace

Result<fs::path> build_module(const Kernel& kernel, const fs::path& source,
                              const FetchOptions& options) {
  return guarded([&] { return ModuleBuild(kernel, source, options).run(); });
}

}  // namespace rig::image
