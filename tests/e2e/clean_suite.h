// SPDX-License-Identifier: Apache-2.0
// Healthy guests under load: nothing in their heaps may look damaged. clean_suite.cc has the test,
// and the programs that include this say how long it goes on.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "base/arch.h"

namespace rig::e2e {

struct CleanSystem {
  Arch arch = Arch::kX86_64;
  std::string name;      // of its command line
  std::string cmdline;   // of the kernel
  unsigned moments = 5;  // how often the guest is stopped wherever it is
  unsigned steps = 5;    // and how often at some instruction of the allocator
};
void PrintTo(const CleanSystem& system, std::ostream* out);
std::string clean_system_name(const testing::TestParamInfo<CleanSystem>& each);

class Clean : public testing::TestWithParam<CleanSystem> {};

}  // namespace rig::e2e
