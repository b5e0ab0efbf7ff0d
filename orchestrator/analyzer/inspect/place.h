// SPDX-License-Identifier: Apache-2.0
// Addresses as users write them, and names for addresses.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "analyzer/symbols/kernel.h"
#include "analyzer/symbols/symbol_address.h"

namespace rig::analyzer {

// "0x1f" and what is clearly hexadecimal ("ffffffff81000000", "1f"): by 16; "42": by 10.
std::optional<std::uint64_t> parse_number(std::string_view text);

// A number, "NAME", "NAME+0x10", "NAME-8", or "NAME:1": a per-CPU variable on that CPU.
// Blame::kInput, with the nearest name, when there is no such symbol.
Result<VirtAddr> parse_place(const Kernel& kernel, std::string_view text);

// ", did you mean 'x'?" of all symbols, or nothing.
std::string near_symbols(const Kernel& kernel, std::string_view name);

// "schedule+0x5", "init_task", "toa_queue [toa]": code or named data. Nothing for anything else.
std::optional<std::string> symbol_text(const Kernel& kernel, VirtAddr address);

}  // namespace rig::analyzer
