// SPDX-License-Identifier: Apache-2.0
#include "image/cache_survey.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>

#include "image/guarded.h"
#include "image/kernel_cache.h"
#include "image/kernel_resolve.h"

namespace rig::image {
namespace {

using SystemClock = std::chrono::system_clock;
constexpr auto kRecent = std::chrono::hours(24);
constexpr const char* kUseLock = "use.lock";

// What the cache's folders hold: each entry, with the lock that whoever makes it holds.
struct Section {
  const char* folder;
  const char* lock;  // of all entries; null: ENTRY.lock
};
constexpr Section kSections[] = {{"kernels", nullptr}, {"builds", nullptr},  {"sources", nullptr},
                                 {"trees", nullptr},   {"modules", nullptr}, {"initramfs", "lock"}};

// Files that are linked twice count twice: what `du` says is less.
std::uint64_t size_of(const fs::path& path) {
  std::error_code error;
  if (fs::is_regular_file(fs::symlink_status(path, error))) return fs::file_size(path, error);
  std::uint64_t total = 0;
  auto walk = fs::recursive_directory_iterator(path, error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    struct stat info {};
    if (::lstat(walk->path().c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      total += static_cast<std::uint64_t>(info.st_size);
    }
  }
  return total;
}

SystemClock::time_point time_of(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  return SystemClock::from_time_t(info.st_mtim.tv_sec);
}

// An flock on the file, or nothing when somebody holds one that excludes it.
std::optional<UniqueFd> try_lock(const fs::path& file, int kind) {
  UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd || ::flock(fd.get(), kind | LOCK_NB) != 0) return std::nullopt;
  return fd;
}

bool is_lock(const fs::path& path) {
  return path.extension() == ".lock" || path.filename() == "lock";
}

class Pruning {
 public:
  Pruning(fs::path cache, const PruneOptions& options)
      : cache_(std::move(cache)), options_(options) {}

  Result<std::vector<Pruned>> run() {
    const auto alone = try_lock(cache_ / kUseLock, LOCK_EX);
    limit_ = SystemClock::now() - options_.older_than;
    if (!alone) limit_ = std::min(limit_, SystemClock::now() - kRecent);
    for (const Section& section : kSections) RIG_TRY(prune_section(section));
    return std::move(pruned_);
  }

 private:
  Status prune_section(const Section& section) {
    std::error_code error;
    std::vector<fs::path> entries;
    for (const auto& entry : fs::directory_iterator(cache_ / section.folder, error)) {
      // Resolutions, "debian-6.1-newest-amd64.json", are small and say what to look for.
      if (!is_lock(entry.path()) && entry.path().extension() != ".json") {
        entries.push_back(entry.path());
      }
    }
    std::sort(entries.begin(), entries.end());
    for (const fs::path& entry : entries) {
      if (options_.stop.stop_requested()) return fail(Blame::kCancelled, "stopped");
      if (time_of(entry) <= limit_) RIG_TRY(prune(section, entry));
    }
    return {};
  }

  Status prune(const Section& section, const fs::path& entry) {
    // A build is locked by the kernel that it will become; "X.unfinishedAbC" by X.
    std::string name = entry.filename().string();
    if (const auto at = name.find(".unfinished"); at != std::string::npos) name.resize(at);
    fs::path lock = entry.parent_path() / (name + ".lock");
    if (section.lock != nullptr) lock = entry.parent_path() / section.lock;
    if (std::string_view(section.folder) == "builds") lock = cache_ / "kernels" / (name + ".lock");
    const auto held = try_lock(lock, LOCK_EX);
    Pruned pruned{entry.lexically_relative(cache_), size_of(entry), !held};
    if (held && !options_.dry_run) {
      std::error_code error;
      fs::remove_all(entry, error);
      if (error) {
        return fail(Blame::kRig, "cannot remove {}: {}", entry.string(), error.message());
      }
    }
    pruned_.push_back(std::move(pruned));
    return {};
  }

  fs::path cache_;
  const PruneOptions& options_;
  SystemClock::time_point limit_{};
  std::vector<Pruned> pruned_;
};

}  // namespace

Result<std::optional<CachedKernel>> find_cached(const scenario::KernelSpec& spec, Arch arch) {
  RIG_ASSIGN(const KernelCache cache, KernelCache::open());
  const std::string request = spec.provider == "debian"
                                  ? request_name(spec, arch)
                                  : fmt::format("{}-built-{}", spec.name, to_string(arch));
  const auto known = cache.resolution(request);
  const auto manifest = known ? cache.find(known->kernel) : std::nullopt;
  if (!manifest) return std::nullopt;
  CachedKernel found;
  found.release = manifest->release;
  found.package = manifest->kernel.package;
  found.version = manifest->kernel.version;
  found.folder = cache.kernel_folder(manifest->kernel);
  found.bytes = size_of(found.folder);
  found.used = time_of(found.folder);
  found.cpu_seconds = manifest->cpu_seconds;
  return found;
}

Result<CacheUse> use_cache() {
  RIG_ASSIGN(const fs::path cache, cache_dir());
  auto lock = try_lock(cache / kUseLock, LOCK_SH);
  if (lock) return std::static_pointer_cast<void>(std::make_shared<UniqueFd>(std::move(*lock)));
  return fail_hint(Blame::kRig, "again, when it has ended", "the cache is being pruned");
}

void mark_used(const fs::path& path) {
  ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
}

Result<std::vector<Pruned>> prune_cache(const PruneOptions& options) {
  RIG_ASSIGN(fs::path cache, cache_dir());
  return guarded([&] { return Pruning(std::move(cache), options).run(); });
}

}  // namespace rig::image
