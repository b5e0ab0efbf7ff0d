// SPDX-License-Identifier: Apache-2.0
// Errors by name, also those that the kernel keeps to itself. include/uapi/asm-generic/errno*.h,
// include/linux/errno.h: the same on x86_64 and arm64.
#pragma once

#include <optional>
#include <string_view>

namespace rig::analyzer {

// "ENOMEM" for 12. Nothing for numbers without a name.
std::optional<std::string_view> errno_name(unsigned number);

}  // namespace rig::analyzer
