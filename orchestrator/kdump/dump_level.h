// SPDX-License-Identifier: Apache-2.0
// What is left out of a core, as makedumpfile -d calls it: a sum of bits.
// Source: makedumpfile(8), makedumpfile.h (DL_EXCLUDE_*).
#pragma once

#include <cstdint>

namespace rig::kdump {

enum DumpLevel : std::uint32_t {
  kNoZeros = 1,
  kNoCache = 2,  // without private pages
  kNoPrivateCache = 4,
  kNoUserData = 8,
  kNoFree = 16,
};

}  // namespace rig::kdump
