// SPDX-License-Identifier: Apache-2.0
// Which packages of Debian's archive a kernel description means.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/arch.h"
#include "image/apt_archive.h"
#include "image/kernel_cache.h"
#include "scenario/kernel_spec.h"

namespace rig::image {

struct KernelPackages {
  PackageVersion image;             // "linux-image-6.1.0-56-amd64"
  std::string release;              // "6.1.0-56-amd64"
  std::uint64_t image_size = 0;     // bytes to download; 0: not known
  PackageRef image_download;        // the same for apt: with ":arm64" on an amd64 host
  std::vector<PackageRef> headers;  // what an external module builds against
  std::string compiler;             // "gcc-12"
};

// Rejects what is no "debian" description, or could not be part of a package's name.
Status check_spec(const scenario::KernelSpec& spec);

// "debian-6.1-newest-amd64": the request's name in the cache.
std::string request_name(const scenario::KernelSpec& spec, Arch arch);

// Nothing when apt's lists have no such kernel, or not its headers.
Result<std::optional<KernelPackages>> resolve_kernel(const scenario::KernelSpec& spec, Arch arch,
                                                     const AptArchive& archive);

// Why it could not be resolved, naming the ABIs that there are.
Error explain_unresolved(const scenario::KernelSpec& spec, Arch arch, const AptArchive& archive);

}  // namespace rig::image
