// SPDX-License-Identifier: Apache-2.0
// What stays of a finished build: what boots, what modules are loaded and built against, and the
// kernel's debug information. The 1-3 GB of objects do not.
#pragma once

#include "image/kernel_cache.h"
#include "image/kernel_make.h"

namespace rig::image {

// Fills the empty `folder`; the manifest's paths are relative to it:
//   boot/                          vmlinuz-R (bzImage, Image), vmlinux-R, config-R
//   debug/vmlinux-R                with DWARF
//   lib/modules/R/                 indexed
//   usr/src/linux-headers-R/       to build modules against, with their types where pahole is
Result<Manifest> install_kernel(const KernelMake& make, const PackageVersion& version,
                                const fs::path& folder, const FetchOptions& fetch);

// Can an x86_64 kernel be entered as vmlinux? KASAN cannot: the code behind the PVH entry is
// checked like any other, but its shadow is not there yet (arch/x86/platform/pvh), and the guest
// resets.
bool may_enter_vmlinux(ByteView vmlinux, const Config& config);

// modules.dep and its kin, which the kernel's build leaves to the machine it is installed on.
Status index_modules(const fs::path& modules, const std::stop_token& stop);

}  // namespace rig::image
