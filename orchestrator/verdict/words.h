// SPDX-License-Identifier: Apache-2.0
// How the checks of predicates put what they found into words.
#pragma once

#include <string>
#include <vector>

namespace rig::verdict {

inline constexpr std::size_t kShown = 4;  // of what was found instead

// "a; b; c; d; and 3 more"
std::string join_some(const std::vector<std::string>& all);

}  // namespace rig::verdict
