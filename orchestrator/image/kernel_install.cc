// SPDX-License-Identifier: Apache-2.0
#include "image/kernel_install.h"

#include <algorithm>

#include "base/process.h"
#include "base/text.h"
#include "image/modes.h"
#include "image/toolchain.h"
#include "image/vmlinux.h"

namespace rig::image {
namespace {

constexpr auto kToolTime = std::chrono::minutes(10);

// What compiling leaves in a folder of sources or tools.
bool is_product(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".o") || name.ends_with(".cmd") || name.ends_with(".d") ||
         name.ends_with(".a") || name == ".gitignore";
}

// Regular files and links below `from`, without products. A folder that is not there is empty.
Status copy_folder(const fs::path& from, const fs::path& to) {
  std::error_code error;
  if (!fs::is_directory(from, error)) return {};
  auto walk = fs::recursive_directory_iterator(from, error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    if (walk->is_directory(error) || is_product(walk->path())) continue;
    const fs::path target = to / walk->path().lexically_relative(from);
    if (walk->is_symlink(error)) {
      // Into the tree that is copied too, or of no use: followed.
      if (fs::is_regular_file(walk->path(), error)) {
        RIG_TRY(copy_over(fs::canonical(walk->path(), error), target));
      }
      error.clear();
      continue;
    }
    if (walk->is_regular_file(error)) RIG_TRY(copy_over(walk->path(), target));
  }
  if (!error) return {};
  return fail(Blame::kRig, "cannot copy {}: {}", from.string(), error.message());
}

// One folder that is both source and objects, as the kernel's own packages of headers are made
// (scripts/package/builddeb): its Makefile finds everything beside itself.
Status install_headers(const KernelMake& make, const fs::path& headers) {
  const fs::path arch = fs::path("arch") / toolchain(make.arch).kbuild;
  RIG_TRY(copy_over(make.source / "Makefile", headers / "Makefile"));
  for (const fs::path& part :
       {fs::path("scripts"), fs::path("include"), arch / "include", arch / "scripts"}) {
    RIG_TRY(copy_folder(make.source / part, headers / part));
    RIG_TRY(copy_folder(make.objects / part, headers / part));
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(make.source / arch, error)) {
    if (!entry.is_regular_file(error)) continue;
    RIG_TRY(copy_over(entry.path(), headers / arch / entry.path().filename()));
  }
  for (const char* file : {".config", "Module.symvers", "tools/objtool/objtool",
                           "tools/bpf/resolve_btfids/resolve_btfids"}) {
    if (!fs::exists(make.objects / file, error)) continue;
    RIG_TRY(copy_over(make.objects / file, headers / file));
  }
  return {};
}

Status run_tool(const KernelMake& make, const std::string& tool, std::vector<std::string> arguments,
                const FetchOptions& fetch) {
  RIG_TRY(run_ok({make.tools.cross + tool, std::move(arguments), {}, {}},
                 {.deadline = Deadline::after(kToolTime), .stop = fetch.stop}));
  return {};
}

// Twice: for booting and for the types of modules (symbols and BTF), and whole, compressed.
Status install_vmlinux(const KernelMake& make, const fs::path& folder, Manifest& manifest,
                       const FetchOptions& fetch) {
  const std::string built = (make.objects / "vmlinux").string();
  std::error_code error;
  fs::create_directories(folder / manifest.debuginfo.parent_path(), error);
  RIG_TRY(run_tool(
      make, "objcopy",
      {"--compress-debug-sections=zlib", built, (folder / manifest.debuginfo).string()}, fetch));
  const fs::path plain = folder / manifest.vmlinux;
  RIG_TRY(run_tool(make, "objcopy", {"--strip-debug", built, plain.string()}, fetch));
  fs::create_hard_link(plain, folder / manifest.build / "vmlinux", error);
  if (error) return fail(Blame::kRig, "cannot link {}: {}", plain.string(), error.message());
  RIG_ASSIGN(const MappedFile elf, MappedFile::open(plain));
  RIG_ASSIGN(const std::string config, read_file(make.objects / ".config"));
  manifest.pvh = make.arch == Arch::kX86_64 && may_enter_vmlinux(elf.bytes(), Config(config));
  return {};
}

Status install_modules(const KernelMake& make, const fs::path& folder, const Manifest& manifest,
                       const FetchOptions& fetch) {
  RIG_TRY(run_make(make,
                   {"INSTALL_MOD_PATH=" + folder.string(), "INSTALL_MOD_STRIP=1", "DEPMOD=true",
                    "modules_install"},
                   fetch));
  const fs::path modules = folder / manifest.modules;
  std::error_code ignored;
  for (const char* link : {"build", "source"}) fs::remove(modules / link, ignored);
  return index_modules(modules, fetch.stop);
}

}  // namespace

bool may_enter_vmlinux(ByteView vmlinux, const Config& config) {
  return config.value("CONFIG_KASAN") == "n" && has_pvh_entry(vmlinux);
}

Status index_modules(const fs::path& modules, const std::stop_token& stop) {
  auto program = find_program("depmod", "kmod");
  if (!program) program = find_program("/usr/sbin/depmod", "kmod");  // not in a user's $PATH
  if (!program) return fail_hint(Blame::kRig, "apt-get install kmod", "cannot find depmod");
  const fs::path base = modules.parent_path().parent_path().parent_path();
  RIG_TRY(run_ok({program->string(), {"-b", base.string(), modules.filename().string()}, {}, {}},
                 {.deadline = Deadline::after(std::chrono::minutes(2)), .stop = stop}));
  return {};
}

Result<Manifest> install_kernel(const KernelMake& make, const PackageVersion& version,
                                const fs::path& folder, const FetchOptions& fetch) {
  tell(fetch.progress,
       {fmt::format("install {} for {}", make.called, to_string(make.arch)), {}, ""});
  RIG_ASSIGN(const std::string release,
             read_file(make.objects / "include/config/kernel.release", 4096));
  Manifest manifest;
  manifest.kernel = version;
  manifest.release = trim(release);
  manifest.compiler = make.tools.compiler;
  manifest.vmlinuz = "boot/vmlinuz-" + manifest.release;
  manifest.vmlinux = "boot/vmlinux-" + manifest.release;
  manifest.debuginfo = "debug/vmlinux-" + manifest.release;
  manifest.modules = "lib/modules/" + manifest.release;
  manifest.build = "usr/src/linux-headers-" + manifest.release;
  RIG_TRY(copy_over(make.objects / boot_image_path(make.arch), folder / manifest.vmlinuz));
  RIG_TRY(copy_over(make.objects / ".config", folder / ("boot/config-" + manifest.release)));
  RIG_TRY(install_headers(make, folder / manifest.build));
  RIG_TRY(install_vmlinux(make, folder, manifest, fetch));
  RIG_TRY(install_modules(make, folder, manifest, fetch));
  RIG_TRY(set_modes(folder));
  return manifest;
}

}  // namespace rig::image
