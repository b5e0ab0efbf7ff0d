// SPDX-License-Identifier: Apache-2.0
#include "image/toolchain.h"

namespace rig::image {
namespace {

constexpr Toolchain kToolchains[] = {
    {Arch::kX86_64, "amd64", "x86", "x86_64-linux-gnu-", "-x86-64-linux-gnu"},
    {Arch::kArm64, "arm64", "arm64", "aarch64-linux-gnu-", "-aarch64-linux-gnu"},
};

}  // namespace

const Toolchain& toolchain(Arch arch) {
  for (const Toolchain& candidate : kToolchains) {
    if (candidate.arch == arch) return candidate;
  }
  return kToolchains[0];
}

Arch host_arch() {
#if defined(__aarch64__)
  return Arch::kArm64;
#else
  return Arch::kX86_64;
#endif
}

}  // namespace rig::image
