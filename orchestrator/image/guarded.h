// SPDX-License-Identifier: Apache-2.0
// Where the room's exceptions end: std::filesystem's iterators throw on a failing disk.
#pragma once

#include <exception>

#include "base/error.h"

namespace rig::image {

template <typename Work>
auto guarded(Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& error) {
    return fail(Blame::kRig, "{}", error.what());
  }
}

}  // namespace rig::image
