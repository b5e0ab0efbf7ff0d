// SPDX-License-Identifier: Apache-2.0
// A short look at healthy guests; the slow suite takes longer.
#include "e2e/clean_suite.h"

namespace rig::e2e {

INSTANTIATE_TEST_SUITE_P(Short, Clean,
                         testing::Values(CleanSystem{Arch::kX86_64, "plain", "", 3, 3},
                                         CleanSystem{Arch::kArm64, "slub", "slub_debug=FZPU", 3,
                                                     3}),
                         clean_system_name);

}  // namespace rig::e2e
