// SPDX-License-Identifier: Apache-2.0
// The cache of unpacked kernels, and what "the newest" was last found to be:
//
//   $XDG_CACHE_HOME/crashrig/kernels/
//     linux-image-6.1.0-56-amd64_6.1.192-2/   the packages' trees, and kernel.json (written last)
//     linux-image-6.1.0-56-amd64_6.1.192-2.lock
//     debian-6.1-newest-amd64.json            -> the package and version above
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace rig::image {

// An exact package of the archive.
struct PackageVersion {
  std::string package;  // "linux-image-6.1.0-56-amd64"
  std::string version;  // "6.1.192-2"

  bool operator==(const PackageVersion&) const = default;
};

// What is in an unpacked kernel's folder; paths are relative to it.
struct Manifest {
  PackageVersion kernel;
  std::string release;   // uname -r
  fs::path vmlinuz;      // "boot/vmlinuz-6.1.0-56-amd64"
  fs::path vmlinux;      // extracted; empty where the architecture has none
  bool pvh = false;      // vmlinux can be entered through PVH
  fs::path modules;      // "lib/modules/6.1.0-56-amd64"
  fs::path build;        // "usr/src/linux-headers-6.1.0-56-amd64"
  std::string compiler;  // what the kernel was built with: "gcc-12"
  // Of kernels that were built here:
  fs::path debuginfo = {};    // vmlinux with all of DWARF, its sections compressed
  std::uint64_t objects = 0;  // files that were compiled
  double seconds = 0, cpu_seconds = 0;
};

// What a request resolved to, and when the archive's lists were as they were then.
struct Resolution {
  PackageVersion kernel;
  std::int64_t lists_time = 0;  // modification time of apt's lists, ns; 0: there were none
};

class KernelCache {
 public:
  static Result<KernelCache> open();

  const fs::path& folder() const { return folder_; }
  fs::path kernel_folder(const PackageVersion& kernel) const;
  fs::path lock_file(const PackageVersion& kernel) const;

  // Nothing when the kernel is not cached, or only damaged or in an older version's layout.
  std::optional<Manifest> find(const PackageVersion& kernel) const;

  // `request` is a file name's worth of text: "debian-6.1-newest-amd64".
  std::optional<Resolution> resolution(const std::string& request) const;
  Status save_resolution(const std::string& request, const Resolution& resolution) const;

 private:
  explicit KernelCache(fs::path folder) : folder_(std::move(folder)) {}
  fs::path folder_;
};

// Written as the last file of a kernel's folder.
Status write_manifest(const fs::path& kernel_folder, const Manifest& manifest);

}  // namespace rig::image
