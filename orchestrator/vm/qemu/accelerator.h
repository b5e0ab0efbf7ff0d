// SPDX-License-Identifier: Apache-2.0
// KVM or TCG. That /dev/kvm exists proves nothing: there are machines where it opens and hangs any
// guest. So a tiny guest is run once per boot, and the answer remembered.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/deadline.h"
#include "base/file.h"
#include "vm/qemu/machine.h"

namespace rig::vm::qemu {

struct Accelerator {
  std::string name;    // "kvm", "tcg": QEMU's -accel
  std::string reason;  // why, as a sentence for people and records
};

// What the choice depends on; tests put their own here.
struct AcceleratorHost {
  fs::path device = "/dev/kvm";
  std::string machine;  // of the host, as uname says it
  std::string boot_id;  // changes with every boot
  std::string qemu;     // identity of the binary: path, size, time
  fs::path cache;       // folder for the remembered answer
  // Runs the probe guest: nothing when it came through, else what happened instead (it hung until
  // its deadline, QEMU refused or died). An error when it could not be run: that proves nothing.
  std::function<Result<std::optional<std::string>>()> probe;
};

// This machine, with `qemu` as the binary.
Result<AcceleratorHost> this_host(const Machine& machine, const fs::path& qemu,
                                  const std::stop_token& stop);

// `wanted`: "auto", "kvm", "tcg". Forcing is not questioned, "auto" never fails for lack of KVM.
Result<Accelerator> choose_accelerator(const Machine& machine, std::string_view wanted,
                                       const AcceleratorHost& host,
                                       const std::stop_token& stop = {});

}  // namespace rig::vm::qemu
