// SPDX-License-Identifier: Apache-2.0
// What lies in the cache, what of it is in use, and the way out.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "image/boot_image.h"

namespace rig::image {

// A description's kernel as far as the cache has it; nobody is asked for anything newer.
struct CachedKernel {
  std::string release, package, version;
  fs::path folder;
  std::uint64_t bytes = 0;
  std::chrono::system_clock::time_point used{};  // last
  double cpu_seconds = 0;                        // that building it took; 0: it was not built here
};
Result<std::optional<CachedKernel>> find_cached(const scenario::KernelSpec& spec, Arch arch);

// Held by whoever uses something of the cache, for as long as that lasts.
using CacheUse = std::shared_ptr<void>;
Result<CacheUse> use_cache();

// Notes that the file or folder was used now, for prune_cache(). Best effort.
void mark_used(const fs::path& path);

struct PruneOptions {
  std::chrono::hours older_than{24 * 30};  // since it was last used
  bool dry_run = false;
  std::stop_token stop = {};
};
struct Pruned {
  fs::path path;  // relative to the cache
  std::uint64_t bytes = 0;
  bool kept = false;  // because somebody is at work on it
};

// Removes kernels, sources, unfinished builds, modules and initramfs. What is locked stays, and
// while some run is under way everything that was used in the last day.
Result<std::vector<Pruned>> prune_cache(const PruneOptions& options);

}  // namespace rig::image
