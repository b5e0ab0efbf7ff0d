// SPDX-License-Identifier: Apache-2.0
#include "image/built_kernel.h"

#include "image/content_hash.h"
#include "image/describe_kernel.h"
#include "image/guarded.h"
#include "image/kernel_install.h"
#include "image/kernel_make.h"
#include "image/kernel_source.h"
#include "image/leftovers.h"
#include "image/modes.h"

namespace rig::image {
namespace {

constexpr std::string_view kKernelFormat =
    "kernel 1";  // raise it when what is kept of a build changes
constexpr auto kBuildPatience = std::chrono::hours(12);  // for another run that builds the same

class SourceKernel {
 public:
  SourceKernel(const scenario::KernelSpec& spec, Arch arch, const FetchOptions& options,
               KernelCache cache)
      : spec_(spec), arch_(arch), options_(options), cache_(std::move(cache)) {}

  Result<Kernel> run() {
    RIG_ASSIGN(tools_, find_kernel_tools(arch_));
    RIG_ASSIGN(wanted_, merge_fragments(spec_.config, arch_));
    // The release says what it is: "6.1.192-guest-kasan".
    wanted_.push_back({"CONFIG_LOCALVERSION",
                       fmt::format("\"-{}\"", fmt::join(spec_.config.fragments, "-")), "crashrig"});
    RIG_ASSIGN(source_, find_source(spec_, options_));
    version_ = {source_.version.package, fmt::format("{}+{}+{}+{}", source_.version.version,
                                                     fmt::join(spec_.config.fragments, "+"),
                                                     to_string(arch_), key().substr(0, 12))};
    if (const auto cached = cache_.find(version_)) return describe(*cached);
    RIG_ASSIGN(const FileLock lock, wait_for_turn());
    if (const auto cached = cache_.find(version_)) return describe(*cached);
    RIG_ASSIGN(const Manifest built, build());
    return describe(built);
  }

 private:
  Kernel describe(const Manifest& manifest) const {
    return describe_kernel(cache_.kernel_folder(version_), manifest, spec_, arch_, options_);
  }

  // Of everything that the kernel is made from.
  std::string key() const {
    ContentHash hash;
    hash.add(kKernelFormat).add(source_.version.package).add(source_.version.version);
    hash.add(to_string(arch_)).add(spec_.config.base).add(config_text(wanted_));
    hash.add(tools_.compiler).add(tools_.fingerprint);
    return hash.finish();
  }

  Result<FileLock> wait_for_turn() const {
    const fs::path file = cache_.lock_file(version_);
    if (auto lock = FileLock::acquire(file, Deadline::after({}), options_.stop)) return lock;
    tell(options_.progress, {fmt::format("wait for another run to build {}", spec_.name), {}, ""});
    return FileLock::acquire(file, Deadline::after(kBuildPatience), options_.stop);
  }

  // The objects lie in builds/ until the kernel is in the cache: what is interrupted goes on there.
  Result<Manifest> build() {
    RIG_ASSIGN(const fs::path source, source_.fetch());
    const fs::path objects =
        cache_.folder().parent_path() / "builds" / cache_.kernel_folder(version_).filename();
    const KernelMake make{arch_, tools_, source, objects, spec_.name, objects_of_last_build()};
    std::error_code ignored;
    if (auto done = configure_kernel(make, spec_.config.base, wanted_, options_); !done) {
      fs::remove_all(objects, ignored);
      return tl::unexpected<Error>(std::move(done).error());
    }
    RIG_ASSIGN(const Compiled compiled, compile_kernel(make, options_));
    RIG_ASSIGN(const Manifest manifest, keep(make, compiled));
    fs::remove_all(objects, ignored);
    return manifest;
  }

  Result<Manifest> keep(const KernelMake& make, const Compiled& compiled) const {
    const fs::path final_folder = cache_.kernel_folder(version_);
    const std::string prefix = final_folder.filename().string() + ".unfinished";
    remove_leftovers(cache_.folder(), prefix);
    RIG_ASSIGN(TempDir folder, TempDir::create(prefix, cache_.folder()));
    RIG_ASSIGN(Manifest manifest, install_kernel(make, version_, folder.path(), options_));
    manifest.objects = compiled.objects;
    manifest.seconds = compiled.seconds;
    manifest.cpu_seconds = compiled.cpu_seconds;
    RIG_TRY(write_manifest(folder.path(), manifest));
    RIG_TRY(cache_.save_resolution(estimate_name(), {version_, 0}));
    std::error_code error;
    fs::remove_all(final_folder, error);  // only there when damaged or of an older layout
    fs::rename(folder.path(), final_folder, error);
    if (error) {
      return fail(Blame::kRig, "cannot create {}: {}", final_folder.string(), error.message());
    }
    folder.release();
    return manifest;
  }

  // What was last built of this description: how much it is, for the estimate.
  std::string estimate_name() const {
    return fmt::format("{}-built-{}", spec_.name, to_string(arch_));
  }
  std::uint64_t objects_of_last_build() const {
    const auto last = cache_.resolution(estimate_name());
    const auto manifest = last ? cache_.find(last->kernel) : std::nullopt;
    return manifest ? manifest->objects : 0;
  }

  const scenario::KernelSpec& spec_;
  Arch arch_;
  const FetchOptions& options_;
  KernelCache cache_;
  KernelTools tools_;
  std::vector<ConfigOption> wanted_;
  KernelSource source_;
  PackageVersion version_;
};

}  // namespace

Result<Kernel> build_source_kernel(const scenario::KernelSpec& spec, Arch arch,
                                   const FetchOptions& options) {
  RIG_ASSIGN(KernelCache cache, KernelCache::open());
  return guarded([&] { return SourceKernel(spec, arch, options, std::move(cache)).run(); });
}

}  // namespace rig::image
