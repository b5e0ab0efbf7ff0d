// SPDX-License-Identifier: Apache-2.0
// The module of a variant: a path, or a map that says what of the kernel's own source it is.
#pragma once

#include "scenario/path_bases.h"
#include "scenario/scenario.h"
#include "scenario/schema_reader.h"

namespace rig::scenario {

// What the user wrote must exist; what the kernel's source has is only
// known when it is here.
Module read_module(const Node& node, const PathBases& bases, Problems& problems);

}  // namespace rig::scenario
