// SPDX-License-Identifier: Apache-2.0
// Where the repository's parts lie, seen from the running program.
#pragma once

#include <string>

#include "base/error.h"
#include "base/file.h"

namespace rig {

struct Layout {
  fs::path root;   // scenarios/, kernels/, guest/ and results/ are in here
  fs::path build;  // what was built for guests: guest/agent, guest/stress/*

  // $CRASHRIG_ROOT, or the nearest folder above the program that holds scenarios/ and kernels/.
  static Result<Layout> find();

  fs::path agent() const { return build / "guest/agent"; }
  // The static program that a scenario's `stress: {program: ...}` names.
  Result<fs::path> stress_program(const fs::path& program) const;
};

}  // namespace rig
