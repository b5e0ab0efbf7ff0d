// SPDX-License-Identifier: Apache-2.0
// The cache's folders and files are readable by all and writable by their owner, whatever the
// process's umask is: libarchive sets it to 0 for moments, and it is all threads'.
#pragma once

#include "base/error.h"
#include "base/file.h"

namespace rig::image {

// Creates what is missing of the path, 0755. What exists stays as it is.
Status make_folder(const fs::path& path);

// Everything below `root`, and it: folders 0755, files 0644 or 0755. Nobody else is at work there.
Status set_modes(const fs::path& root);

}  // namespace rig::image
