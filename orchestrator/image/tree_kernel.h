// SPDX-License-Identifier: Apache-2.0
// The provider `tree`: a kernel that the user has built, where it lies. Nothing of it is copied but
// its modules' index; modules are built against the tree itself.
#pragma once

#include "image/boot_image.h"

namespace rig::image {

// Blame::kInput when make has not finished there, or for another architecture.
Result<Kernel> open_tree_kernel(const scenario::KernelSpec& spec, Arch arch,
                                const FetchOptions& options);

}  // namespace rig::image
