// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/deadline.h"

namespace rig::fakes {

// For what must happen, and for what must not.
inline Deadline soon() {
  return Deadline::after(std::chrono::seconds(5));
}
inline Deadline at_once() {
  return Deadline::after(std::chrono::milliseconds(30));
}

}  // namespace rig::fakes
