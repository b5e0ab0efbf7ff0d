// SPDX-License-Identifier: Apache-2.0
// The `files:` of a scenario's guest: files of the user's that the guest gets copies of.
#pragma once

#include <vector>

#include "scenario/guest.h"
#include "scenario/path_bases.h"
#include "scenario/schema_reader.h"

namespace rig::scenario {

// A map of path in the guest -> file, or folder whose files come with their paths within it. What
// links lead to is copied, but no folders behind links.
std::vector<GuestFile> read_guest_files(const Node& node, const PathBases& bases,
                                        Problems& problems);

}  // namespace rig::scenario
