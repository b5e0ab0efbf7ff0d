// SPDX-License-Identifier: Apache-2.0
// What a killed run left behind goes when the next one does the same work.
#pragma once

#include <string_view>

#include "base/file.h"

namespace rig::image {

// Removes the folders in `parent` whose names start so. The caller holds the lock under which they
// are made: nobody is at work in them.
inline void remove_leftovers(const fs::path& parent, std::string_view prefix) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    if (entry.path().filename().string().starts_with(prefix)) fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace rig::image
