// SPDX-License-Identifier: Apache-2.0
// What every verb needs to talk to its user.
#pragma once

#include <cstdio>
#include <string_view>

#include "base/error.h"

namespace rig::commands {

// Writes results to stdout, whole. A reader that has gone away (`| head`) is no error; a full disk
// is.
Status print_out(std::string_view text);

// May `stream` be drawn on: a terminal that understands cursor codes?
bool draws(std::FILE* stream);

// May it be coloured: as above, and the user does not say NO_COLOR?
bool colours(std::FILE* stream);

}  // namespace rig::commands
