// SPDX-License-Identifier: Apache-2.0
// What a running guest tells of itself through its agent, each file asked for once.
#pragma once

#include <map>
#include <string>

#include "base/deadline.h"
#include "cmdline/evidence.h"
#include "vm/vm.h"

namespace rig {

class GuestEvidence : public cmdline::Evidence {
 public:
  // `modules` is the kernel's …/lib/modules/RELEASE on the host; `console` the guest's console.log.
  GuestEvidence(vm::Vm& vm, fs::path modules, fs::path console, Deadline deadline)
      : vm_(vm), modules_(std::move(modules)), console_(std::move(console)), deadline_(deadline) {}

  std::string_view log() override;
  std::optional<std::string> file(const std::string& path) override;
  std::optional<std::array<std::uint32_t, 4>> cpuid(std::uint32_t leaf) override;
  cmdline::Home home(std::string_view module, std::string_view parameter) override;

  // A fault of the rig on the way: what was told since means nothing.
  const Status& fault() const { return fault_; }

 private:
  vm::Vm& vm_;
  fs::path modules_;
  fs::path console_;
  Deadline deadline_;
  std::map<std::string, std::optional<std::string>> files_;
  std::optional<std::string> log_;
  Status fault_;
};

}  // namespace rig
