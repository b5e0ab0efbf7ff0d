// SPDX-License-Identifier: Apache-2.0
// What an attempt boots and injects, and how it gets into the guest.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/arch.h"
#include "base/error.h"
#include "base/file.h"
#include "image/boot_image.h"
#include "scenario/scenario.h"
#include "vm/vm.h"

namespace rig {

inline constexpr auto kInjectTime = std::chrono::seconds(30);  // for each request of the agent

// The guest's kernel boots a capture kernel when it crashes, which is in its initramfs.
struct KdumpPlan {
  Arch arch = Arch::kX86_64;
  std::string cmdline;  // of the capture kernel
  fs::path kernel;      // as they are in the guest, too
  fs::path initramfs;
  unsigned cpus = 1;        // of the guest
  std::uint32_t level = 0;  // what its core leaves out
  bool both = false;        // the machine takes a core, too, right before
};

// The same for all attempts of a cell.
struct Payload {
  image::Kernel kernel;
  fs::path initramfs;
  std::vector<std::string> drivers;  // of it that must load, beside those of every guest
  std::string cmdline;               // whole, as the guest gets it
  fs::path module;                   // .ko to load, or empty
  bool module_in_boot = false;       // the initramfs has it
  std::string module_sha256;
  std::string module_params;  // "late_write=1"
  fs::path program;           // static executable to run, or empty
  std::vector<std::string> program_args;
  std::optional<KdumpPlan> kdump = {};  // nothing: the core is taken by the machine
};

// Into a guest that has booted: the files, then the module is loaded, then the program started. An
// error of Blame::kKernel: the guest's kernel refused it, or no longer answers.
Status inject(vm::Vm& machine, const std::vector<scenario::GuestFile>& files,
              const Payload& payload);

}  // namespace rig
