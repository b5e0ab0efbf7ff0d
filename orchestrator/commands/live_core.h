// SPDX-License-Identifier: Apache-2.0
// A live guest as a core: "qemu:/path/to/qmp.sock" wherever a vmcore can be named.
#pragma once

#include <optional>
#include <stop_token>
#include <string_view>

#include "analyzer/core/core.h"
#include "base/error.h"
#include "base/file.h"

namespace rig::commands {

// The socket's path when `name` is of a live guest.
std::optional<fs::path> live_socket(std::string_view name);

// Stops the guest until the core goes, when it runs on if it ran before.
Result<analyzer::Core> open_live_core(const fs::path& socket, std::stop_token stop = {});

}  // namespace rig::commands
