// SPDX-License-Identifier: Apache-2.0
#include "image/tree_kernel.h"

#include <elf.h>

#include "base/process.h"
#include "base/text.h"
#include "image/content_hash.h"
#include "image/describe_kernel.h"
#include "image/guarded.h"
#include "image/kernel_install.h"
#include "image/kernel_make.h"
#include "image/leftovers.h"
#include "image/modes.h"
#include "image/toolchain.h"
#include "image/vmlinux.h"

namespace rig::image {
namespace {

class TreeKernel {
 public:
  TreeKernel(const scenario::KernelSpec& spec, Arch arch, const FetchOptions& options)
      : spec_(spec), arch_(arch), options_(options), tree_(spec.build) {}

  Result<Kernel> run() {
    RIG_TRY(check());
    RIG_ASSIGN(const std::string release, read_file(tree_ / "include/config/kernel.release", 4096));
    Manifest manifest;
    manifest.release = trim(release);
    RIG_ASSIGN(const std::string build_id, identity());
    manifest.kernel = {"tree", fmt::format("{}+{}", manifest.release, build_id.substr(0, 12))};
    manifest.vmlinuz = boot_image_path(arch_);
    manifest.vmlinux = "vmlinux";
    manifest.debuginfo = "vmlinux";
    manifest.build = ".";
    RIG_ASSIGN(manifest.compiler, compiler());
    RIG_ASSIGN(const MappedFile vmlinux, MappedFile::open(tree_ / "vmlinux"));
    RIG_ASSIGN(const std::string config, read_file(tree_ / ".config"));
    manifest.pvh = arch_ == Arch::kX86_64 && may_enter_vmlinux(vmlinux.bytes(), Config(config));
    RIG_ASSIGN(manifest.modules, modules(manifest));
    return describe_kernel(tree_, manifest, spec_, arch_, options_);
  }

 private:
  Status check() const {
    std::error_code error;
    if (!fs::is_directory(tree_, error)) {
      return fail(Blame::kInput, "no folder {} with a built kernel", tree_.string());
    }
    const auto arch = built_arch();
    if (arch && *arch != arch_) {
      return fail_hint(
          Blame::kInput, fmt::format("choose its guests with --arch {}", to_string(*arch)),
          "{} is built for {}, not for {}", tree_.string(), to_string(*arch), to_string(arch_));
    }
    for (const fs::path& file :
         {fs::path(".config"), fs::path("include/config/kernel.release"), fs::path("vmlinux"),
          boot_image_path(arch_), fs::path("modules.builtin"), fs::path("scripts/mod/modpost")}) {
      if (fs::exists(tree_ / file, error)) continue;
      return fail_hint(
          Blame::kInput,
          fmt::format("make -C {} ARCH={} {} modules", tree_.string(), toolchain(arch_).kbuild,
                      boot_image_path(arch_).filename().string()),
          "{} is not built for {}: it has no {}", tree_.string(), to_string(arch_), file.string());
    }
    return {};
  }

  // By the machine that its vmlinux is for.
  std::optional<Arch> built_arch() const {
    const auto vmlinux = MappedFile::open(tree_ / "vmlinux");
    if (!vmlinux) return std::nullopt;
    const auto header = load<Elf64_Ehdr>(vmlinux->bytes());
    if (!header) return std::nullopt;
    if (header->e_machine == EM_X86_64) return Arch::kX86_64;
    if (header->e_machine == EM_AARCH64) return Arch::kArm64;
    return std::nullopt;
  }

  // Changes with every link: the symbols that modules are built against are the kernel's.
  Result<std::string> identity() const {
    ContentHash hash;
    hash.add(tree_.string());
    RIG_TRY(hash.add_file(tree_ / ".config"));
    for (const char* file : {"vmlinux", "Module.symvers"}) {
      std::error_code error;
      const auto time = fs::last_write_time(tree_ / file, error).time_since_epoch().count();
      hash.add(fmt::format("{} {}", time, fs::file_size(tree_ / file, error)));
    }
    return hash.finish();
  }

  // CONFIG_CC_VERSION_TEXT="gcc-12 (Debian 12.2.0-14) 12.2.0", with the prefix of a cross compiler.
  Result<std::string> compiler() const {
    RIG_ASSIGN(const std::string text, read_file(tree_ / ".config"));
    std::string value = Config(text).value("CONFIG_CC_VERSION_TEXT");
    std::erase(value, '"');
    std::string name = value.substr(0, value.find(' '));
    const auto& tools = toolchain(arch_);
    if (name.starts_with(tools.cross)) name = name.substr(tools.cross.size());
    if (name.starts_with("gcc")) return name;
    return fail_hint(Blame::kInput, "build it with gcc", "{} is built with {}, modules cannot be",
                     tree_.string(), printable(value));
  }

  // An index of the modules, as links to the tree's own files, beside the cached kernels.
  Result<fs::path> modules(const Manifest& manifest) const {
    RIG_ASSIGN(const fs::path cache, cache_dir());
    const fs::path trees = cache / "trees";
    const fs::path root = trees / manifest.kernel.version;
    const fs::path modules = root / "lib/modules" / manifest.release;
    std::error_code error;
    if (fs::exists(modules / "modules.dep.bin", error)) return modules;
    RIG_TRY(make_folder(trees));
    RIG_ASSIGN(const FileLock lock,
               FileLock::acquire(trees / (manifest.kernel.version + ".lock"),
                                 Deadline::after(std::chrono::minutes(10)), options_.stop));
    if (fs::exists(modules / "modules.dep.bin", error)) return modules;
    fs::remove_all(root, error);
    RIG_TRY(make_folder(modules));
    for (const char* file : {"modules.builtin", "modules.builtin.modinfo", "modules.order"}) {
      if (fs::exists(tree_ / file, error)) fs::copy_file(tree_ / file, modules / file, error);
    }
    RIG_TRY(link_modules(modules));
    RIG_TRY(index_modules(modules, options_.stop));
    return modules;
  }

  // modules.order of a tree names the objects: "drivers/block/loop.o" (or .ko, before v6.2).
  Status link_modules(const fs::path& modules) const {
    const auto order = read_file(tree_ / "modules.order");
    if (!order) return {};
    for (const std::string& line : split(*order, '\n')) {
      fs::path module{std::string(trim(line))};
      if (module.empty()) continue;
      module.replace_extension(".ko");
      const fs::path target = (modules / "kernel" / module).lexically_normal();
      const fs::path source = fs::absolute(tree_ / module);
      std::error_code error;
      if (!target.string().starts_with(modules.string()) || !fs::exists(source, error)) continue;
      fs::create_directories(target.parent_path(), error);
      fs::create_symlink(source, target, error);
      if (error) return fail(Blame::kRig, "cannot link {}: {}", target.string(), error.message());
    }
    return {};
  }

  const scenario::KernelSpec& spec_;
  Arch arch_;
  const FetchOptions& options_;
  fs::path tree_;
};

}  // namespace

Result<Kernel> open_tree_kernel(const scenario::KernelSpec& spec, Arch arch,
                                const FetchOptions& options) {
  return guarded([&] { return TreeKernel(spec, arch, options).run(); });
}

}  // namespace rig::image
