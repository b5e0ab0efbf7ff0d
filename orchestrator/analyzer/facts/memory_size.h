// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace rig::analyzer {

// "512.0 MiB": memory comes in powers of two, unlike files (human_bytes).
std::string memory_size(std::uint64_t bytes);

}  // namespace rig::analyzer
