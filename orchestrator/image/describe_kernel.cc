// SPDX-License-Identifier: Apache-2.0
#include "image/describe_kernel.h"

#include <spdlog/spdlog.h>

#include "image/cache_survey.h"

namespace rig::image {

void warn(const FetchOptions& options, const std::string& text) {
  options.warn ? options.warn(text) : spdlog::warn("{}", text);
}

Kernel describe_kernel(const fs::path& folder, const Manifest& manifest,
                       const scenario::KernelSpec& spec, Arch arch, const FetchOptions& options) {
  if (spec.provider != "tree") mark_used(folder);
  Kernel kernel;
  kernel.name = spec.name;
  kernel.arch = arch;
  kernel.release = manifest.release;
  kernel.package = manifest.kernel.package;
  kernel.version = manifest.kernel.version;
  kernel.compiler = manifest.compiler;
  kernel.vmlinuz = folder / manifest.vmlinuz;
  kernel.modules = folder / manifest.modules;
  kernel.build = folder / manifest.build;
  kernel.boot_file = kernel.vmlinuz;
  if (!manifest.debuginfo.empty()) kernel.debuginfo = folder / manifest.debuginfo;
  if (arch != Arch::kX86_64 || spec.entry != scenario::Entry::kVmlinux) return kernel;
  if (manifest.pvh) {
    kernel.boot_file = folder / manifest.vmlinux;
  } else {
    warn(options,
         fmt::format(
             "{}: {} cannot be entered as vmlinux (built without CONFIG_PVH, or with KASAN): "
             "vmlinuz it is",
             spec.name, kernel.package));
  }
  return kernel;
}

}  // namespace rig::image
