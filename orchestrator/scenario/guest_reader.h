// SPDX-License-Identifier: Apache-2.0
// The `guest:` part of a scenario: the machine. What of it QEMU has is checked by the vm room,
// which can ask; here it is read, and what is certainly wrong is told with its place in the file.
#pragma once

#include <optional>

#include "scenario/path_bases.h"
#include "scenario/scenario.h"
#include "scenario/schema_reader.h"

namespace rig::scenario {

Guest read_guest(const Node& node, const PathBases& bases, Problems& problems);

// `boot:`, of a scenario or a detector: "direct" or "kaslr".
std::optional<Entry> read_boot(const Node& node, Problems& problems);

}  // namespace rig::scenario
