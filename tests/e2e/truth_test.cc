// SPDX-License-Identifier: Apache-2.0
// The truth of Debian's kernels.
#include "e2e/truth_suite.h"

namespace rig::e2e {

INSTANTIATE_TEST_SUITE_P(Debian, Truth, testing::Values(System{"x86_64"}, System{"arm64"}),
                         system_name);
INSTANTIATE_TEST_SUITE_P(Debian, TruthEnd, testing::ValuesIn(ends_on("debian-6.1")), end_name);

}  // namespace rig::e2e
