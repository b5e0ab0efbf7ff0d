// SPDX-License-Identifier: Apache-2.0
// The provider `debian`: packages of its archive. Tests bring an archive of their own.
#pragma once

#include "image/apt_archive.h"
#include "image/boot_image.h"

namespace rig::image {

Result<Kernel> fetch_kernel_from(const AptArchive& archive, const scenario::KernelSpec& spec,
                                 Arch arch, const FetchOptions& options);

Result<Kernel> fetch_debian(const scenario::KernelSpec& spec, Arch arch,
                            const FetchOptions& options);

}  // namespace rig::image
