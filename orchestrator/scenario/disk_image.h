// SPDX-License-Identifier: Apache-2.0
// What kind of disk image a file is, by its content: a guest's disk must not be read as something
// that it is not, and its name proves nothing.
#pragma once

#include <string>

#include "base/error.h"
#include "base/file.h"

namespace rig::scenario {

// "raw" or "qcow2". Blame::kInput for a file that cannot be read, is empty, or is an image of a
// format that guests are not given (the hint says how to convert it).
Result<std::string> disk_image_format(const fs::path& file);

}  // namespace rig::scenario
