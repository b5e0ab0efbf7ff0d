// SPDX-License-Identifier: Apache-2.0
// Did each parameter of a command line take effect in the guest that was booted with it? A pure
// function over what the guest tells; docs/COMMAND-LINES.md has the table for people.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cmdline/effect.h"
#include "cmdline/evidence.h"

namespace rig::cmdline {

// Raise it with every change of what is concluded from the same evidence: remembered answers of
// another version are not used.
inline constexpr int kTableVersion = 1;

// One effect per parameter, in the order of `cmdline` as it was given to the guest. A parameter
// that a later one of the same name overrides is left out.
std::vector<Effect> check_cmdline(std::string_view cmdline, Evidence& evidence);

// The names of all rows, for "did you mean".
std::vector<std::string> known_parameters();

}  // namespace rig::cmdline
