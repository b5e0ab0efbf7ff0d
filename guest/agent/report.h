// SPDX-License-Identifier: Apache-2.0
//
// How the agent says that something failed: to its own code and to the host with a Done, to people
// on the console.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "guest/protocol.h"

namespace rig::guest {

// The failure of `step` on `object`, with an errno: "open /x: No such file or directory".
inline Done failure(int error, std::string_view step, std::string_view object) {
  Done done{.error = static_cast<std::uint64_t>(error), .what = std::string(step)};
  done.what.append(" ").append(object).append(": ").append(std::strerror(error));
  return done;
}

inline bool failed(const Done& done) {
  return done.error != 0;
}

// One line on /dev/console. Never fails: there is nobody to tell.
void log(std::string_view line);

}  // namespace rig::guest
