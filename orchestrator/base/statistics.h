// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

namespace rig {

// The middle value, of an even number the upper one of both; nothing of nothing.
std::optional<double> median(std::vector<double> values);

}  // namespace rig
