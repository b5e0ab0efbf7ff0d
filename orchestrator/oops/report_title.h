// SPDX-License-Identifier: Apache-2.0
// Titles: what is the same for one bug in every log of it, and nothing else.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rig::oops {

// C++'s and Rust's symbols as they are written there; others as they are.
std::string readable_name(std::string_view function);

// The name of a function in titles: system calls without what architectures and kernel versions
// put before them, C++ names as they are written.
std::string title_name(std::string_view function);

// All names that one function may have in titles: as it is, and with each such prefix taken away.
std::vector<std::string> possible_names(std::string_view function);

// Without addresses ("ADDR"), numbers ("NUM"), lines ("LINE"), offsets, and what is not text.
std::string normalised(std::string title);

}  // namespace rig::oops
