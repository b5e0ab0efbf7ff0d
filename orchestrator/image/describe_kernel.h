// SPDX-License-Identifier: Apache-2.0
// From what the cache has of a kernel to what boots from it: the same for every provider.
#pragma once

#include "image/boot_image.h"
#include "image/kernel_cache.h"

namespace rig::image {

// `folder` is the one that the manifest's paths are relative to.
Kernel describe_kernel(const fs::path& folder, const Manifest& manifest,
                       const scenario::KernelSpec& spec, Arch arch, const FetchOptions& options);

void warn(const FetchOptions& options, const std::string& text);

}  // namespace rig::image
