// SPDX-License-Identifier: Apache-2.0
// Where the source of a kernel comes from that is built: Debian's linux-source packages, or a
// revision of a git repository. Unpacked once, in the cache; nobody writes there afterwards:
//
//   $XDG_CACHE_HOME/crashrig/sources/linux-source-6.1_6.1.192-2/    Makefile, arch/, …
#pragma once

#include <functional>

#include "image/boot_image.h"
#include "image/kernel_cache.h"

namespace rig::image {

struct KernelSource {
  PackageVersion version;                   // known before it is here
  std::function<Result<fs::path>()> fetch;  // its folder; quick when it is there already
};

// Nothing is asked of the archive or repository that is not needed to know the version.
Result<KernelSource> find_source(const scenario::KernelSpec& spec, const FetchOptions& options);

// The source that the kernel was built from: of Debian's kernels the package of the same version,
// or the archive's newest, with a warning, where it no longer has that one.
Result<KernelSource> source_of(const Kernel& kernel, const scenario::KernelSpec& spec,
                               const FetchOptions& options);

// For both: makes `folder` below sources/ with what `fill` puts into it, once, whoever else wants
// it at the same time. `fill` gets an empty folder.
Result<fs::path> source_folder(const PackageVersion& version, const FetchOptions& options,
                               const std::function<Status(const fs::path&)>& fill);

// The provider `git`, in git_source.cc.
Result<KernelSource> find_git_source(const scenario::KernelSpec& spec, const FetchOptions& options);

}  // namespace rig::image
