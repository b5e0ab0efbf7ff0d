// SPDX-License-Identifier: Apache-2.0
// Heaps for which a quick suite has no time: many moments of healthy guests, and kernels with
// KASAN.
#include "e2e/clean_suite.h"
#include "e2e/heap_suite.h"
#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

constexpr const char* kDebug = "slub_debug=FZPU";

}  // namespace

INSTANTIATE_TEST_SUITE_P(Long, Clean,
                         testing::Values(CleanSystem{Arch::kX86_64, "plain", "", 50, 10},
                                         CleanSystem{Arch::kX86_64, "slub", kDebug, 50, 10},
                                         CleanSystem{Arch::kArm64, "plain", "", 50, 10},
                                         CleanSystem{Arch::kArm64, "slub", kDebug, 50, 10}),
                         clean_system_name);

INSTANTIATE_TEST_SUITE_P(Kasan, Heap,
                         testing::Values(HeapSystem{"x86_64", kKasanKernel},
                                         HeapSystem{"arm64", kKasanKernel}),
                         heap_system_name);

// Cores of capture kernels at level 31: what is left out is nothing that the audit needs, and the
// machine's core of the same crash has the same findings.
INSTANTIATE_TEST_SUITE_P(
    Kdump, Heap,
    testing::Values(HeapSystem{"x86_64", "debian-6.1", "none", "plain", "both"},
                    HeapSystem{"arm64", "debian-6.1", "none", "plain", "both"},
                    HeapSystem{"x86_64", "debian-6.1", "slub", "debug", "both"},
                    HeapSystem{"arm64", "debian-6.1", "slub", "debug", "both"}),
    heap_system_name);

}  // namespace rig::e2e
