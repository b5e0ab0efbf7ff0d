// SPDX-License-Identifier: Apache-2.0
// What text for a terminal needs: colours when they are wanted, and no surprises from a guest.
#pragma once

#include <string>
#include <string_view>

#include "base/text.h"

namespace rig::publish {

enum class Colour { kNone, kBold, kDim, kRed, kGreen, kYellow };

// `text` in the colour, or as it is when `enabled` is false.
std::string paint(std::string_view text, Colour colour, bool enabled);

using rig::printable;

// At most `width` columns of printable text, "..." where it is cut.
std::string clip(std::string_view text, std::size_t width);

}  // namespace rig::publish
