// SPDX-License-Identifier: Apache-2.0
#include "image/fetch_kernel.h"

#include "image/describe_kernel.h"
#include "image/guarded.h"
#include "image/kernel_cache.h"
#include "image/kernel_resolve.h"
#include "image/kernel_unpack.h"

namespace rig::image {
namespace {

class Fetch {
 public:
  Fetch(const AptArchive& archive, KernelCache cache, const scenario::KernelSpec& spec, Arch arch,
        const FetchOptions& options)
      : archive_(archive.stopped_by(options.stop)),
        cache_(std::move(cache)),
        spec_(spec),
        arch_(arch),
        options_(options),
        request_(request_name(spec, arch)) {}

  Result<Kernel> run() {
    const auto known = cache_.resolution(request_);
    const auto cached = known ? cache_.find(known->kernel) : std::nullopt;
    if (cached && !options_.refresh && is_current(*known)) return describe(*cached);

    auto manifest = ask_archive(cached);
    if (manifest) return describe(*manifest);
    if (!cached || manifest.error().blame == Blame::kCancelled) {
      return tl::unexpected<Error>(std::move(manifest).error());
    }
    warn(fmt::format("{}: going on with {} {} of the cache: {}", spec_.name, cached->kernel.package,
                     cached->kernel.version, manifest.error().message()));
    return describe(*cached);
  }

 private:
  void warn(const std::string& text) const { image::warn(options_, text); }

  // A pinned ABI stays what it is. The newest does as long as apt's lists are the same.
  bool is_current(const Resolution& known) const {
    return spec_.abi || known.lists_time == archive_.lists_time() || archive_.lists_time() == 0;
  }

  // Once with the lists as they are, once more with fresh ones where that may help.
  Result<Manifest> ask_archive(const std::optional<Manifest>& cached) {
    if (options_.refresh && archive_.may_update()) RIG_TRY(update());
    if (options_.refresh && !archive_.may_update()) {
      warn(
          fmt::format("{}: asked with apt's lists as they are: only root may refresh them (sudo "
                      "apt-get update)",
                      spec_.name));
    }
    tell(options_.progress, {fmt::format("look for kernel {}", spec_.name), {}, ""});
    for (;;) {
      RIG_ASSIGN(const auto packages, resolve_kernel(spec_, arch_, archive_));
      if (packages) {
        RIG_ASSIGN(const auto manifest, from_cache_or_archive(*packages));
        if (manifest) return remember(*manifest);
      } else if (cached && !options_.refresh) {
        return remember(*cached);  // lists emptied or of another series: they know no better one
      }
      if (updated_ || !archive_.may_update()) return unresolved(packages.has_value());
      RIG_TRY(update());
    }
  }

  Result<Manifest> remember(const Manifest& manifest) const {
    RIG_TRY(cache_.save_resolution(request_, {manifest.kernel, archive_.lists_time()}));
    return manifest;
  }

  Result<std::optional<Manifest>> from_cache_or_archive(const KernelPackages& packages) const {
    if (auto manifest = cache_.find(packages.image)) return manifest;
    return unpack_into_cache(cache_, packages, arch_, archive_, options_.progress, options_.stop);
  }

  Status update() {
    updated_ = true;
    tell(options_.progress, {"apt-get update", {}, "the package lists are out of date"});
    return archive_.update();
  }

  tl::unexpected<Error> unresolved(bool listed) const {
    if (listed) {
      return fail_hint(
          Blame::kRig, archive_.may_update() ? "try again later" : "sudo apt-get update",
          "the archive does not have the packages of {} that apt's lists name", spec_.name);
    }
    return tl::unexpected<Error>(explain_unresolved(spec_, arch_, archive_));
  }

  Kernel describe(const Manifest& manifest) const {
    return describe_kernel(cache_.kernel_folder(manifest.kernel), manifest, spec_, arch_, options_);
  }

  AptArchive archive_;
  KernelCache cache_;
  const scenario::KernelSpec& spec_;
  Arch arch_;
  const FetchOptions& options_;
  std::string request_;
  bool updated_ = false;
};

}  // namespace

Result<Kernel> fetch_kernel_from(const AptArchive& archive, const scenario::KernelSpec& spec,
                                 Arch arch, const FetchOptions& options) {
  RIG_TRY(check_spec(spec));
  RIG_ASSIGN(KernelCache cache, KernelCache::open());
  return guarded([&] { return Fetch(archive, std::move(cache), spec, arch, options).run(); });
}

Result<Kernel> fetch_debian(const scenario::KernelSpec& spec, Arch arch,
                            const FetchOptions& options) {
  RIG_ASSIGN(AptArchive::Setup setup, AptArchive::setup_for(arch));
  return fetch_kernel_from(AptArchive(std::move(setup)), spec, arch, options);
}

}  // namespace rig::image
