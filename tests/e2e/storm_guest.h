// SPDX-License-Identifier: Apache-2.0
// A healthy guest whose allocator is kept busy on all CPUs, stopped as often as one likes.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/arch.h"
#include "base/error.h"
#include "base/file.h"
#include "vm/vm.h"

namespace rig::e2e {

class StormGuest {
 public:
  // Boots Debian's kernel with `cmdline` after the rig's own, and starts guest/stress/alloc_storm.
  static Result<StormGuest> start(Arch arch, const std::string& cmdline, const fs::path& folder);

  // Lets the guest run for so long, and stops it wherever it is then.
  Status run_for(std::chrono::milliseconds time);
  // Lets it run until a CPU is about to execute that instruction. False: nobody came by in time;
  // the guest is stopped all the same.
  Result<bool> run_to(VirtAddr address, std::chrono::milliseconds patience);
  // Of the stopped guest. An ELF core.
  Status take_core(const fs::path& path);

 private:
  explicit StormGuest(std::unique_ptr<vm::Vm> vm) : vm_(std::move(vm)) {}
  // Until the deadline or an event of that kind. A guest that ends is an error: it was healthy.
  Result<std::optional<vm::Event>> watch(Deadline deadline, vm::EventKind kind);

  std::unique_ptr<vm::Vm> vm_;
};

}  // namespace rig::e2e
