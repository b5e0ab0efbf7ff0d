// SPDX-License-Identifier: Apache-2.0
// The truth of our own kernels with KASAN: larger stacks, shadow memory, another compiler's choice
// of what to inline.
#include "e2e/rig_process.h"
#include "e2e/truth_suite.h"

namespace rig::e2e {
namespace {}  // namespace

INSTANTIATE_TEST_SUITE_P(Kasan, Truth,
                         testing::Values(System{"x86_64", kKasanKernel, true},
                                         System{"arm64", kKasanKernel, true}),
                         system_name);
INSTANTIATE_TEST_SUITE_P(Kasan, TruthEnd, testing::ValuesIn(ends_on(kKasanKernel)), end_name);

// Another build of Debian's: nothing may hang on the newest one.
INSTANTIATE_TEST_SUITE_P(Oldest, Truth,
                         testing::Values(System{"x86_64", "debian-6.1@oldest"},
                                         System{"arm64", "debian-6.1@oldest"}),
                         system_name);

}  // namespace rig::e2e
