// SPDX-License-Identifier: Apache-2.0
// The providers `source` and `git`: kernels that are built here, once per content.
#pragma once

#include "image/boot_image.h"
#include "image/kernel_cache.h"

namespace rig::image {

// Builds it, or takes it from the cache when a kernel of the same source, configuration, compiler
// and architecture has been built. Two runs that want the same build it once.
Result<Kernel> build_source_kernel(const scenario::KernelSpec& spec, Arch arch,
                                   const FetchOptions& options);

}  // namespace rig::image
