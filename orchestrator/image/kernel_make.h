// SPDX-License-Identifier: Apache-2.0
// One out-of-tree build of a kernel: configured, checked, compiled. The kernel's own build system
// does the work (its Documentation/kbuild/kbuild.rst); an interrupted one goes on where it was.
#pragma once

#include <string>
#include <vector>

#include "image/boot_image.h"
#include "image/kernel_config.h"

namespace rig::image {

struct KernelTools {
  std::string compiler;     // "gcc-12"
  std::string fingerprint;  // of the compiler: another one builds anew
  std::string cross;        // CROSS_COMPILE, or empty
  bool ccache = false;
};

// Blame::kRig, naming all packages at once, when something that the build needs is not there.
Result<KernelTools> find_kernel_tools(Arch arch);

struct KernelMake {
  Arch arch;
  KernelTools tools;
  fs::path source;
  fs::path objects;                    // where the build goes
  std::string called;                  // the description's name, for messages
  std::uint64_t expected_objects = 0;  // of an earlier build; 0: guessed
};

// Writes .config, and checks that every option is what it was asked to be: one that is not is
// Blame::kInput, with its reason.
Status configure_kernel(const KernelMake& make, const std::string& base,
                        const std::vector<ConfigOption>& options, const FetchOptions& fetch);

// All parts of a build that was interrupted together.
struct Compiled {
  std::uint64_t objects = 0;
  double seconds = 0, cpu_seconds = 0;
};

// The boot file and the modules. Blame::kInput with the compiler's own words when they do not
// compile.
Result<Compiled> compile_kernel(const KernelMake& make, const FetchOptions& fetch);

// Any other target: "modules_install", "kernelrelease".
Result<std::string> run_make(const KernelMake& make, std::vector<std::string> arguments,
                             const FetchOptions& fetch);

// What of make's output says why it failed, make's own lines left out.
std::string build_error(std::string_view output);

// "arch/x86/boot/bzImage", from the folder of a build.
fs::path boot_image_path(Arch arch);

}  // namespace rig::image
