// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "guest/protocol.h"

namespace rig::guest {

// Loads a kernel module.
Done load_module(const std::string& path, const std::string& params);

// Loads what kModuleListPath lists; returns a line for each that did not load. One that is there
// already is fine. A driver whose device is absent (ENODEV) is listed, for the host to judge.
std::vector<std::string> load_listed_modules();

}  // namespace rig::guest
