// SPDX-License-Identifier: Apache-2.0
// Where the repository's parts lie, seen from the running program.
#pragma once

#include <string>

#include "base/arch.h"
#include "base/error.h"
#include "base/file.h"

namespace rig {

struct Layout {
  fs::path root;   // scenarios/, kernels/, guest/ and results/ are in here
  fs::path build;  // what was built for guests: guest/ARCH/agent, guest/ARCH/stress/*

  // $CRASHRIG_ROOT, or the nearest folder above the program that holds scenarios/ and kernels/.
  static Result<Layout> find();

  // PID 1 of the guests of this architecture.
  Result<fs::path> agent(Arch arch) const;
  // The static program that a scenario's `stress: {program: ...}` names, for such guests.
  Result<fs::path> stress_program(const fs::path& program, Arch arch) const;
  // The folder of the programs built with the rig: their names are the same for every architecture.
  fs::path stress_programs() const;
};

}  // namespace rig
