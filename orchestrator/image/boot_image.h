// SPDX-License-Identifier: Apache-2.0
// Everything a guest boots from: kernel, drivers, agent, and the module and program to inject.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/arch.h"
#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "scenario/guest.h"
#include "scenario/kernel_spec.h"
#include "scenario/scenario.h"

namespace rig::image {

// A kernel unpacked in the cache. The folder never changes once it is there.
struct Kernel {
  std::string name;  // of its description: "debian-6.1"
  Arch arch = Arch::kX86_64;
  std::string release;      // uname -r: "6.1.0-56-amd64"
  std::string package;      // "linux-image-6.1.0-56-amd64", "linux-source-6.1", "linux.git", "tree"
  std::string version;      // of the package: "6.1.192-2"; of what is built here, by its content
  fs::path boot_file;       // what QEMU's -kernel takes, by the description's entry
  fs::path vmlinuz;         // the distribution's own image
  fs::path modules;         // …/lib/modules/RELEASE
  fs::path build;           // the headers' folder that external modules build against
  std::string compiler;     // what it was built with, and modules have to be: "gcc-12"
  fs::path debuginfo = {};  // vmlinux with DWARF, where it was built here; else empty
  std::shared_ptr<void> in_use = {};  // while it lives, nobody prunes the cache below it
};

struct FetchOptions {
  ProgressSink progress = {};
  std::stop_token stop = {};
  // Ask the archive anew: apt-get update, then its newest. Without root apt's lists stay as they
  // are, and a warning says so.
  bool refresh = false;
  std::function<void(std::string_view text)> warn = {};  // empty: spdlog's default logger
};

// Has the description's provider fetch or build the kernel, and caches it. Quick when it is cached
// already: nothing is asked of the archive then, unless `refresh` or apt's own lists have changed
// since "the newest" was resolved. What cannot be had anew goes on with the cached kernel, and says
// so. A kernel that does not build is Blame::kInput and quotes the compiler.
Result<Kernel> fetch_kernel(const scenario::KernelSpec& spec, Arch arch,
                            const FetchOptions& options);

// Builds the external module in `source` (a folder with a Kbuild or Makefile, of which a copy is
// built) against the kernel; cached by content of the source, kernel and flags. A compile error is
// Blame::kInput and quotes the compiler.
Result<fs::path> build_module(const Kernel& kernel, const fs::path& source,
                              const FetchOptions& options);

// The same of what a scenario names: such a folder, or a module of the source that the kernel of
// `spec` was built from, which is fetched, and patched in a copy. A patch that does not apply is
// Blame::kInput and tells which hunk.
Result<fs::path> build_module(const Kernel& kernel, const scenario::KernelSpec& spec,
                              const scenario::Module& module, const FetchOptions& options);

// Of the file's bytes, as sha256sum prints it: for records.
Result<std::string> file_sha256(const fs::path& path);

// The kernel's own modules that a built module needs loaded before it ("scsi_mod"): drivers for the
// InitramfsSpec.
Result<std::vector<std::string>> module_depends(const fs::path& module);

// A file of the initramfs, beside what every one has.
struct InitramfsFile {
  fs::path from;
  std::string to;  // absolute, in a folder that is there: "/lib/crashrig/kdump/kernel"
};

struct InitramfsSpec {
  fs::path agent;                    // the static PID 1
  std::vector<std::string> drivers;  // kernel modules by name; what they need comes along
  fs::path module = {};              // a built one to load after them, or empty
  std::string module_params = {};
  std::vector<InitramfsFile> files = {};
};

// A newc cpio archive with the agent as /init and the drivers in dependency order, listed in
// /lib/crashrig/modules.load. Cached by content.
Result<fs::path> build_initramfs(const Kernel& kernel, const InitramfsSpec& spec);

// The drivers every guest needs: virtio console, fw_cfg for VMCOREINFO, pvpanic.
std::vector<std::string> base_drivers(Arch arch);

// What its disks, network and watchdog need beside them.
std::vector<std::string> device_drivers(const scenario::Guest& guest, Arch arch);
inline constexpr std::string_view kWatchdogDriver = "i6300esb";

}  // namespace rig::image
