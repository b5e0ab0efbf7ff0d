// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

// Of the kernel, else of the first module that has a symbol of that name.
std::optional<VirtAddr> symbol_address(const Kernel& kernel, std::string_view name);

}  // namespace rig::analyzer
