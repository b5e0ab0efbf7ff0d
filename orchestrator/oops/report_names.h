// SPDX-License-Identifier: Apache-2.0
// Names for the bare addresses of a log: kernels without kallsyms, code that was not known any
// more.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace rig::oops {

// "f+0x12/0x34 [module]" for an address, where it is known.
using AddressNames = std::function<std::optional<std::string>(std::uint64_t)>;

// The line with names for addresses where a stack or a program counter has no name.
std::string name_addresses(std::string_view line, const AddressNames& names);

}  // namespace rig::oops
