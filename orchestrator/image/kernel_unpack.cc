// SPDX-License-Identifier: Apache-2.0
#include "image/kernel_unpack.h"

#include <future>
#include <mutex>

#include "base/text.h"
#include "image/archive_io.h"
#include "image/content_hash.h"
#include "image/kernel_install.h"
#include "image/leftovers.h"
#include "image/modes.h"
#include "image/vmlinux.h"

namespace rig::image {
namespace {

// The folder's two halves. Both packages' trees have a lib/modules; two threads fill them.
constexpr const char* kImage = "image";
constexpr const char* kHeaders = "headers";

struct Work {
  const KernelPackages& packages;
  Arch arch;
  AptArchive archive;
  ProgressSink progress;  // safe to call from either thread
  std::stop_token stop;
  fs::path folder;        // the unfinished kernel folder
  std::string downloads;  // how the names of temporary folders start
};

// Documentation and bug-report scripts are a fifth of the packages' files.
bool keep_image_entry(std::string_view path) {
  if (path.ends_with("/build") || path.ends_with("/source")) return false;  // links to /usr/src
  return path.starts_with("boot/") || path.starts_with("lib/modules/") ||
         path.starts_with("usr/lib/modules/");
}
bool keep_headers_entry(std::string_view path) {
  return path.starts_with("usr/src/") || path.starts_with("usr/lib/linux-kbuild-");
}

Result<std::optional<std::vector<fs::path>>> download(const Work& work, const fs::path& folder,
                                                      const std::vector<PackageRef>& packages,
                                                      const std::string& step) {
  const std::uint64_t size = work.packages.image_size;
  return work.archive.download(packages, folder, [&](double fraction) {
    if (step.empty()) return;
    const auto done = static_cast<std::uint64_t>(fraction * static_cast<double>(size));
    tell(work.progress,
         {step, fraction,
          size == 0 ? "" : fmt::format("{} of {}", human_bytes(done), human_bytes(size))});
  });
}

Result<fs::path> find_modules(const fs::path& image, const std::string& release) {
  for (const char* parent : {"lib/modules", "usr/lib/modules"}) {
    const fs::path modules = image / parent / release;
    if (fs::is_directory(modules)) return modules;
  }
  return fail(Blame::kRig, "the package has no modules of {}", release);
}

Status extract_kernel(const Work& work, Manifest& manifest) {
  if (work.arch != Arch::kX86_64) return {};
  manifest.vmlinux = manifest.vmlinuz.parent_path() / ("vmlinux-" + manifest.release);
  const fs::path target = work.folder / manifest.vmlinux;
  RIG_ASSIGN(const MappedFile vmlinuz, MappedFile::open(work.folder / manifest.vmlinuz));
  if (auto status = extract_vmlinux(vmlinuz.bytes(), target); !status) {
    return wrap(manifest.vmlinuz.filename().string(), std::move(status).error());
  }
  RIG_ASSIGN(const MappedFile vmlinux, MappedFile::open(target));
  manifest.pvh = has_pvh_entry(vmlinux.bytes());
  return {};
}

Result<std::optional<Manifest>> make_image(const Work& work) {
  const std::string name =
      fmt::format("{} {}", work.packages.image.package, work.packages.image.version);
  const fs::path root = work.folder / kImage;
  RIG_ASSIGN(const TempDir downloads, TempDir::create(work.downloads));
  RIG_ASSIGN(const auto debs, download(work, downloads.path(), {work.packages.image_download},
                                       fmt::format("fetch {}", name)));
  if (!debs) return std::nullopt;
  fs::create_directories(root);
  for (const fs::path& deb : *debs) {
    const auto tell_part = [&](double part) {
      tell(work.progress, {fmt::format("unpack {}", name), part, ""});
    };
    RIG_TRY(unpack_deb(deb, root, {keep_image_entry, tell_part, work.stop}));
  }
  Manifest manifest;
  manifest.kernel = work.packages.image;
  manifest.release = work.packages.release;
  manifest.compiler = work.packages.compiler;
  manifest.vmlinuz = fs::path(kImage) / "boot" / ("vmlinuz-" + manifest.release);
  RIG_ASSIGN(const fs::path modules, find_modules(root, manifest.release));
  manifest.modules = modules.lexically_relative(work.folder);
  RIG_TRY(extract_kernel(work, manifest));
  return manifest;
}

// The headers' Makefile includes the common one by its absolute path below /usr/src.
Status relocate_headers(const fs::path& build) {
  const fs::path makefile = build / "Makefile";
  RIG_ASSIGN(std::string text, read_file(makefile));
  constexpr std::string_view kAbsolute = "include /usr/src/";
  constexpr std::string_view kBeside = "include $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../";
  for (auto at = text.find(kAbsolute); at != std::string::npos; at = text.find(kAbsolute, at)) {
    text.replace(at, kAbsolute.size(), kBeside);
  }
  return write_file_atomically(makefile, text);
}

// Gives whether the archive still had the packages.
Result<bool> make_headers(const Work& work) {
  const fs::path root = work.folder / kHeaders;
  RIG_ASSIGN(const TempDir downloads, TempDir::create(work.downloads));
  RIG_ASSIGN(const auto debs, download(work, downloads.path(), work.packages.headers, ""));
  if (!debs) return false;
  fs::create_directories(root);
  for (const fs::path& deb : *debs) {
    RIG_TRY(unpack_deb(deb, root, {keep_headers_entry, {}, work.stop}));
  }
  RIG_TRY(relocate_headers(root / "usr/src" / ("linux-headers-" + work.packages.release)));
  return true;
}

// Runs both halves at once. An error of one stops the other; the first real error counts.
Result<std::optional<Manifest>> make_both(Work work, const std::stop_token& stop) {
  std::stop_source either;
  const std::stop_callback forward(stop, [&] { either.request_stop(); });
  work.stop = either.get_token();
  work.archive = work.archive.stopped_by(work.stop);
  auto task = std::async(std::launch::async, [&] {
    auto made = make_headers(work);
    if (!made || !*made) either.request_stop();
    return made;
  });
  auto manifest = make_image(work);
  if (!manifest || !*manifest) {
    either.request_stop();
  } else {
    tell(work.progress, {fmt::format("unpack the headers of {}", work.packages.release), {}, ""});
  }
  auto headers = task.get();
  if (stop.stop_requested()) return fail(Blame::kCancelled, "stopped");
  if (!headers && headers.error().blame != Blame::kCancelled) {
    return tl::unexpected<Error>(std::move(headers).error());
  }
  if (headers && !*headers) return std::nullopt;
  if (!manifest || !*manifest) return manifest;
  (*manifest)->build = fs::path(kHeaders) / "usr/src" / ("linux-headers-" + work.packages.release);
  // Not beside the other thread's unpacking: depmod would inherit the umask of the moment.
  tell(work.progress, {fmt::format("index the modules of {}", work.packages.release), {}, ""});
  RIG_TRY(index_modules(work.folder / (*manifest)->modules, work.stop));
  RIG_TRY(set_modes(work.folder));
  return manifest;
}

// Says so before it waits for another run that unpacks the same kernel.
Result<FileLock> lock_kernel(const fs::path& file, const ProgressSink& progress,
                             const std::stop_token& stop) {
  if (auto lock = FileLock::acquire(file, Deadline::after({}), stop)) return lock;
  tell(progress, {fmt::format("wait for another run to unpack {}", file.stem().string()), {}, ""});
  return FileLock::acquire(file, Deadline::after(std::chrono::minutes(60)), stop);
}

}  // namespace

Result<std::optional<Manifest>> unpack_into_cache(const KernelCache& cache,
                                                  const KernelPackages& packages, Arch arch,
                                                  const AptArchive& archive,
                                                  const ProgressSink& progress,
                                                  const std::stop_token& stop) {
  RIG_ASSIGN(const FileLock lock, lock_kernel(cache.lock_file(packages.image), progress, stop));
  if (auto manifest = cache.find(packages.image)) return manifest;

  const fs::path final_folder = cache.kernel_folder(packages.image);
  const std::string prefix = final_folder.filename().string() + ".unfinished";
  remove_leftovers(cache.folder(), prefix);
  // Not in the cache: apt downloads as a user that may not enter it. One name per kernel and cache.
  const std::string downloads =
      "crashrig-" + ContentHash().add(final_folder.string()).finish().substr(0, 12);
  std::error_code error;
  remove_leftovers(fs::temp_directory_path(error), downloads);
  RIG_ASSIGN(TempDir folder, TempDir::create(prefix, cache.folder()));
  fs::permissions(folder.path(), fs::perms(0755));

  std::mutex mutex;
  const ProgressSink one_at_a_time = [&](const Progress& state) {
    const std::lock_guard guard(mutex);
    tell(progress, state);
  };
  RIG_ASSIGN(
      const auto manifest,
      make_both({packages, arch, archive, one_at_a_time, {}, folder.path(), downloads}, stop));
  if (!manifest) return std::nullopt;
  RIG_TRY(write_manifest(folder.path(), *manifest));

  fs::remove_all(final_folder, error);  // only there when damaged or of an older layout
  fs::rename(folder.path(), final_folder, error);
  if (error) {
    return fail(Blame::kRig, "cannot create {}: {}", final_folder.string(), error.message());
  }
  folder.release();
  return manifest;
}

}  // namespace rig::image
