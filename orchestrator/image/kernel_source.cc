// SPDX-License-Identifier: Apache-2.0
#include "image/kernel_source.h"

#include <algorithm>

#include "base/text.h"
#include "image/apt_archive.h"
#include "image/archive_io.h"
#include "image/content_hash.h"
#include "image/describe_kernel.h"
#include "image/leftovers.h"
#include "image/modes.h"
#include "image/toolchain.h"

namespace rig::image {
namespace {

constexpr const char* kWhole = ".whole";  // written last: an unpacked tree has it

Result<fs::path> folder_of(const PackageVersion& version) {
  RIG_ASSIGN(const fs::path cache, cache_dir());
  return cache / "sources" / fmt::format("{}_{}", version.package, version.version);
}

// The newest version of linux-source-SERIES in apt's lists; nothing when there is none.
Result<std::optional<std::string>> newest_version(const AptArchive& archive,
                                                  const std::string& package) {
  RIG_ASSIGN(const auto stanzas, archive.show({package}));
  for (const Stanza& stanza : stanzas) {
    const auto name = stanza.find("Package");
    const auto version = stanza.find("Version");
    if (name == stanza.end() || name->second != package || version == stanza.end()) continue;
    return version->second;
  }
  return std::nullopt;
}

// Which version "the newest" is. What cannot be asked anew is what it was the last time.
Result<PackageVersion> resolve_source(const AptArchive& archive, const std::string& series,
                                      const FetchOptions& options) {
  RIG_ASSIGN(const KernelCache cache, KernelCache::open());
  const std::string package = fmt::format("linux-source-{}", series);
  const auto known = cache.resolution(package);
  const bool same_lists =
      known && (known->lists_time == archive.lists_time() || archive.lists_time() == 0);
  if (same_lists && !options.refresh) return known->kernel;

  if (options.refresh && archive.may_update()) RIG_TRY(archive.update());
  RIG_ASSIGN(auto version, newest_version(archive, package));
  if (!version && archive.may_update() && !options.refresh) {
    tell(options.progress, {"apt-get update", {}, "the package lists are out of date"});
    RIG_TRY(archive.update());
    RIG_ASSIGN(version, newest_version(archive, package));
  }
  if (!version && known) return known->kernel;
  if (!version) {
    return fail_hint(Blame::kRig, "sudo apt-get update", "apt's lists have no package {}", package);
  }
  RIG_TRY(cache.save_resolution(package, {{package, *version}, archive.lists_time()}));
  return PackageVersion{package, *version};
}

// Whether apt's lists have that version of the package.
Result<bool> is_listed(const AptArchive& archive, const PackageVersion& wanted) {
  RIG_ASSIGN(const auto stanzas, archive.show({wanted.package}));
  return std::any_of(stanzas.begin(), stanzas.end(), [&](const Stanza& stanza) {
    const auto name = stanza.find("Package");
    const auto version = stanza.find("Version");
    return name != stanza.end() && version != stanza.end() && name->second == wanted.package &&
           version->second == wanted.version;
  });
}

// The package holds one file, usr/src/linux-source-6.1.tar.xz.
Status unpack_source(const fs::path& deb, const std::string& package, const fs::path& folder,
                     const FetchOptions& options) {
  const std::string file = fmt::format("usr/src/{}.tar.xz", package);
  const auto keep = [&](std::string_view path) { return path == file; };
  RIG_TRY(unpack_deb(deb, folder, {keep, {}, options.stop}));
  const auto tell_part = [&](double part) {
    tell(options.progress, {fmt::format("unpack {}", package), part, ""});
  };
  RIG_TRY(unpack_tar(folder / file, folder, {{}, tell_part, options.stop}));
  std::error_code error;
  fs::remove_all(folder / "usr", error);
  const fs::path inner = folder / package;
  for (const auto& entry : fs::directory_iterator(inner, error)) {
    fs::rename(entry.path(), folder / entry.path().filename(), error);
    if (error) break;
  }
  if (!error) fs::remove(inner, error);
  if (!error) return {};
  return fail(Blame::kRig, "{} does not hold the tree it should: {}", deb.filename().string(),
              error.message());
}

Status fetch_source(const AptArchive& archive, const PackageVersion& version,
                    const fs::path& folder, const FetchOptions& options) {
  const std::string step = fmt::format("fetch {} {}", version.package, version.version);
  // Not in the cache: apt downloads as a user that may not enter it.
  const std::string name =
      "crashrig-" + ContentHash().add(folder.parent_path().string()).finish().substr(0, 12);
  RIG_ASSIGN(const TempDir downloads, TempDir::create(name));
  RIG_ASSIGN(const auto debs, archive.stopped_by(options.stop)
                                  .download({{version.package, version.version}}, downloads.path(),
                                            [&](double part) {
                                              tell(options.progress, {step, part, ""});
                                            }));
  if (!debs) {
    return fail_hint(Blame::kRig, "--refresh asks for the newest that it has",
                     "the archive no longer has {} {}", version.package, version.version);
  }
  return unpack_source(debs->front(), version.package, folder, options);
}

KernelSource packaged_source(const AptArchive& archive, const PackageVersion& version,
                             const FetchOptions& options) {
  return {version, [=]() -> Result<fs::path> {
            return source_folder(version, options, [&](const fs::path& folder) {
              return fetch_source(archive, version, folder, options);
            });
          }};
}

bool is_unpacked(const PackageVersion& version) {
  const auto folder = folder_of(version);
  std::error_code ignored;
  return folder && fs::exists(*folder / kWhole, ignored);
}

Result<KernelSource> debian_source_of(const Kernel& kernel, const scenario::KernelSpec& spec,
                                      const FetchOptions& options) {
  RIG_ASSIGN(AptArchive::Setup setup, AptArchive::setup_for(host_arch()));
  const AptArchive archive(std::move(setup));
  const PackageVersion wanted{fmt::format("linux-source-{}", spec.series), kernel.version};
  if (is_unpacked(wanted)) return packaged_source(archive, wanted, options);
  RIG_ASSIGN(const bool listed, is_listed(archive, wanted));
  if (listed) return packaged_source(archive, wanted, options);
  RIG_ASSIGN(const PackageVersion newest, resolve_source(archive, spec.series, options));
  if (newest.version != wanted.version) {
    warn(options, fmt::format("{}: the archive has no {} {}, the guest's kernel's: modules of its "
                              "source are built from {}",
                              spec.name, wanted.package, wanted.version, newest.version));
  }
  return packaged_source(archive, newest, options);
}

// Of a tree with its objects elsewhere (O=), `source` leads to it.
fs::path top_of(const fs::path& build) {
  std::error_code ignored;
  const fs::path link = build / "source";
  return fs::exists(link / "Makefile", ignored) ? fs::canonical(link, ignored) : build;
}

}  // namespace

Result<fs::path> source_folder(const PackageVersion& version, const FetchOptions& options,
                               const std::function<Status(const fs::path&)>& fill) {
  RIG_ASSIGN(const fs::path folder, folder_of(version));
  const fs::path sources = folder.parent_path();
  const std::string name = folder.filename();
  std::error_code error;
  if (fs::exists(folder / kWhole, error)) return folder;

  RIG_TRY(make_folder(sources));
  tell(options.progress, {fmt::format("get the source {}", name), {}, ""});
  RIG_ASSIGN(const FileLock lock,
             FileLock::acquire(sources / (name + ".lock"),
                               Deadline::after(std::chrono::minutes(60)), options.stop));
  if (fs::exists(folder / kWhole, error)) return folder;
  const std::string prefix = name + ".unfinished";
  remove_leftovers(sources, prefix);
  RIG_ASSIGN(TempDir unfinished, TempDir::create(prefix, sources));
  RIG_TRY(fill(unfinished.path()));
  RIG_TRY(set_modes(unfinished.path()));
  RIG_TRY(write_file_atomically(unfinished.path() / kWhole, name + "\n"));
  fs::remove_all(folder, error);
  fs::rename(unfinished.path(), folder, error);
  if (error) return fail(Blame::kRig, "cannot create {}: {}", folder.string(), error.message());
  unfinished.release();
  return folder;
}

Result<KernelSource> find_source(const scenario::KernelSpec& spec, const FetchOptions& options) {
  if (spec.provider == "git") return find_git_source(spec, options);
  RIG_ASSIGN(AptArchive::Setup setup, AptArchive::setup_for(host_arch()));
  const AptArchive archive(std::move(setup));
  RIG_ASSIGN(const PackageVersion version, resolve_source(archive, spec.series, options));
  return packaged_source(archive, version, options);
}

Result<KernelSource> source_of(const Kernel& kernel, const scenario::KernelSpec& spec,
                               const FetchOptions& options) {
  if (spec.provider == "debian") return debian_source_of(kernel, spec, options);
  if (spec.provider != "tree") return find_source(spec, options);
  const fs::path top = top_of(spec.build);
  return KernelSource{{"tree", top.string()}, [top]() -> Result<fs::path> { return top; }};
}

}  // namespace rig::image
