// SPDX-License-Identifier: Apache-2.0
// What is taken from a program before it runs a stranger's code.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace rig {

struct Account {
  uid_t user = 0;
  gid_t group = 0;
};

// None of it can be had back: the program gets no new privileges by executing another (setuid
// files), and leaves no core of its own, which would hold the guest's memory. Files that only we
// may read it gets as descriptors.
struct Confinement {
  // Whom it becomes. Where the system refuses (root of a namespace that has no other accounts) it
  // stays who we are. Nothing: it stays who we are.
  std::optional<Account> account = {};
  std::optional<gid_t> device_group = {};  // of a device that it must open all the same
  std::uint64_t address_space = 0;         // bytes, RLIMIT_AS; 0: no limit of its own
  std::uint64_t file_size = 0;             // bytes, RLIMIT_FSIZE, likewise
};

// Whom programs become that run strangers' code when we are root: "nobody". Nothing when we are
// not.
std::optional<Account> unprivileged_account();

}  // namespace rig
