// SPDX-License-Identifier: Apache-2.0
#include "base/confinement.h"

#include <pwd.h>
#include <unistd.h>

#include <array>

namespace rig {

std::optional<Account> unprivileged_account() {
  constexpr Account kOverflow{.user = 65534, .group = 65534};  // Linux' overflowuid
  if (::geteuid() != 0) return std::nullopt;
  std::array<char, 4096> buffer;
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwnam_r("nobody", &entry, buffer.data(), buffer.size(), &found) != 0 || !found) {
    return kOverflow;
  }
  return Account{.user = entry.pw_uid, .group = entry.pw_gid};
}

}  // namespace rig
