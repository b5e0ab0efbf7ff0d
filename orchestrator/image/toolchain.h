// SPDX-License-Identifier: Apache-2.0
// What an architecture is called by Debian and by the kernel's build, and what builds for it.
// To add one: a row in toolchain.cc, and its drivers in boot_drivers.cc.
#pragma once

#include <string_view>

#include "base/arch.h"

namespace rig::image {

struct Toolchain {
  Arch arch;
  std::string_view debian;   // "amd64"
  std::string_view kbuild;   // make's ARCH
  std::string_view cross;    // CROSS_COMPILE where the host is another: "aarch64-linux-gnu-"
  std::string_view package;  // what a cross compiler's package ends in: "gcc-12-aarch64-linux-gnu"
};

const Toolchain& toolchain(Arch arch);
Arch host_arch();

}  // namespace rig::image
