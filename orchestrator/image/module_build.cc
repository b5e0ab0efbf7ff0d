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
#include "image/module_source.h"
#include "image/module_types.h"
#include "image/toolchain.h"

namespace rig::image {
namespace {

constexpr std::string_view kModuleFormat = "module 2";  // raise it when what is built changes

// make's own lines only say where the build is, after the compiler has said what is wrong.
std::string without_make(std::string_view text) {
  std::string kept;
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with("make: ") || line.starts_with("make[")) continue;
    kept += (kept.empty() ? "" : "\n") + line;
  }
  return kept.empty() ? std::string(text) : kept;
}

class ModuleBuild {
 public:
  ModuleBuild(const Kernel& kernel, ModuleSource source, const FetchOptions& options)
      : kernel_(kernel), source_(std::move(source)), options_(options), name_(source_.name) {}

  Result<fs::path> run() {
    RIG_TRY(find_tools());
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
    hash.add(kModuleFormat).add(kernel_.package).add(kernel_.version);
    for (const std::string& argument : arguments_) hash.add(argument);
    std::error_code ignored;
    const fs::path compiler = fs::canonical(compiler_, ignored);
    hash.add(fmt::format("{} {}", compiler.string(), fs::file_size(compiler, ignored)));
    // With pahole there are types that there were none of without.
    const auto pahole = find_program("pahole", "dwarves");
    hash.add(pahole ? fmt::format("pahole {}", fs::file_size(*pahole, ignored)) : "no pahole");
    RIG_TRY(hash_source(source_, hash));
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
    const fs::path root = work.path() / "source";
    const fs::path copy = root / source_.place;
    RIG_TRY(copy_source(source_, root, options_.stop));
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

  Status make(const fs::path& copy) const {
    Command command{"make", {"-C", kernel_.build.string(), "M=" + copy.string()}, {}, {}};
    command.args.insert(command.args.end(), arguments_.begin(), arguments_.end());
    command.args.push_back(fmt::format("-j{}", std::max(1U, std::thread::hardware_concurrency())));
    // Same bytes wherever cache and copy lie, and a WARN names a path that means something: the
    // headers' ones start with /usr/src as if installed.
    const fs::path headers = kernel_.build.parent_path().parent_path().parent_path();
    command.args.push_back(fmt::format("KCFLAGS=-ffile-prefix-map={}={} -ffile-prefix-map={}=",
                                       copy.string(), source_.place.string(), headers.string()));
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
    const std::string to =  // what is patched is not what lies in the source
        source_.origin.empty() ? source_.folder.string() : source_.place.string();
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
    constexpr std::size_t kQuoted = 4000;  // the first error explains the others
    if (text.size() > kQuoted) text = text.substr(0, text.rfind('\n', kQuoted)) + "\n…";
    const bool machine = done.exit_code > 128 ||
                         text.find("No space left on device") != std::string::npos ||
                         text.find("Cannot allocate memory") != std::string::npos;
    return fail(machine ? Blame::kRig : Blame::kInput, "the module {} does not build for {}:\n{}",
                source_.text(), kernel_.release, text);
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
                       "{} builds no module", source_.text());
    }
    std::sort(names.begin(), names.end());
    return fail_hint(Blame::kInput, fmt::format("name the one to load {}.ko", name_),
                     "{} builds several modules: {}", source_.text(), fmt::join(names, ", "));
  }

  const Kernel& kernel_;
  ModuleSource source_;
  const FetchOptions& options_;
  std::string name_;
  fs::path compiler_;
  std::vector<std::string> arguments_;
};

}  // namespace

Result<fs::path> build_module(const Kernel& kernel, const fs::path& source,
                              const FetchOptions& options) {
  return guarded([&]() -> Result<fs::path> {
    RIG_ASSIGN(ModuleSource files, module_folder(source));
    return ModuleBuild(kernel, std::move(files), options).run();
  });
}

Result<fs::path> build_module(const Kernel& kernel, const scenario::KernelSpec& spec,
                              const scenario::Module& module, const FetchOptions& options) {
  if (module.in_tree.empty()) return build_module(kernel, module.folder, options);
  return guarded([&]() -> Result<fs::path> {
    RIG_ASSIGN(ModuleSource files, module_in_tree(kernel, spec, module, options));
    return ModuleBuild(kernel, std::move(files), options).run();
  });
}

}  // namespace rig::image
