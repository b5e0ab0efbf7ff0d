// SPDX-License-Identifier: Apache-2.0
// Downloads a kernel's packages and makes the cache's folder out of them.
#pragma once

#include "base/arch.h"
#include "base/progress.h"
#include "image/apt_archive.h"
#include "image/kernel_cache.h"
#include "image/kernel_resolve.h"

namespace rig::image {

// Puts the kernel into the cache, unless another run has just done so. Nothing when the archive no
// longer has the packages: apt's lists are out of date.
Result<std::optional<Manifest>> unpack_into_cache(const KernelCache& cache,
                                                  const KernelPackages& packages, Arch arch,
                                                  const AptArchive& archive,
                                                  const ProgressSink& progress,
                                                  const std::stop_token& stop);

}  // namespace rig::image
