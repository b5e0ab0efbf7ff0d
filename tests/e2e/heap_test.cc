// SPDX-License-Identifier: Apache-2.0
// Damaged heaps of Debian's kernels.
#include "e2e/heap_suite.h"

namespace rig::e2e {

INSTANTIATE_TEST_SUITE_P(Debian, Heap,
                         testing::Values(HeapSystem{"x86_64"}, HeapSystem{"arm64"},
                                         HeapSystem{"x86_64", "debian-6.1", "slub", "debug"},
                                         HeapSystem{"arm64", "debian-6.1", "slub", "debug"}),
                         heap_system_name);

}  // namespace rig::e2e
