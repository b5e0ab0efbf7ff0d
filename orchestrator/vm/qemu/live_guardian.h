// SPDX-License-Identifier: Apache-2.0
// Lets a guest run on when we die without a word (_exit, SIGKILL): a process of its own that waits
// for our end with QEMU's monitor in its hand.
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/file.h"

namespace rig::vm::qemu {

class LiveGuardian {
 public:
  // From now on the guest behind the QMP connection is continued when this process ends. The
  // connection must have left negotiation mode.
  static Result<LiveGuardian> start(int qmp);
  LiveGuardian(LiveGuardian&& other) noexcept;
  LiveGuardian& operator=(LiveGuardian&&) = delete;
  ~LiveGuardian();  // dismissed: nothing is continued by it any more

 private:
  LiveGuardian(pid_t pid, UniqueFd life) : pid_(pid), life_(std::move(life)) {}

  pid_t pid_;
  UniqueFd life_;  // the writing end of a pipe that nobody else has
};

}  // namespace rig::vm::qemu
