// SPDX-License-Identifier: Apache-2.0
// Which module files a guest loads, in which order.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace rig::image {

// The files of these modules and of all they need (dependencies, soft dependencies, companions),
// each after what it needs. Built-in ones have no file and are left out. `modules` is a
// lib/modules/RELEASE folder that depmod has indexed. An unknown name is an error with the nearest
// valid one.
Result<std::vector<fs::path>> load_order(const fs::path& modules,
                                         const std::vector<std::string>& names);

}  // namespace rig::image
