// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/architecture.h"

#include "analyzer/arch/arm64_kernel.h"
#include "analyzer/arch/arm64_paging.h"
#include "analyzer/arch/arm64_registers.h"
#include "analyzer/arch/arm64_unwind.h"
#include "analyzer/arch/x86_64_kernel.h"
#include "analyzer/arch/x86_64_paging.h"
#include "analyzer/arch/x86_64_registers.h"
#include "analyzer/arch/x86_64_unwind.h"

namespace rig::analyzer {
namespace {

// To add an architecture:
//  1. an enumerator in base/arch.h, and the machine's number where core/ reads ELF and kdump
//  headers;
//  2. NAME_registers: PRSTATUS and struct pt_regs as tables of slots;
//  3. NAME_paging: a PageTable, and how its root is found through VMCOREINFO;
//  4. NAME_kernel: the current task, the stacks of a CPU, the large areas of the address space;
//  5. NAME_unwind: one step up a stack, and where a sleeping task's begins;
//  6. a row here, and a type in tests/unit/analyzer/arch_table_test.cc, whose tests hold for every
//  row.
constexpr Architecture kArchitectures[] = {
    {
        .arch = Arch::kX86_64,
        .task_stack_size = 16 << 10,
        .open_kernel = open_x86_64_kernel,
        .decode_cpu = decode_x86_64_cpu,
        .frame_size = kX86FrameSize,
        .decode_frame = decode_x86_64_frame,
        .entry_of = x86_64_entry_of,
        .exception_entries = kX86ExceptionEntries,
        .current_task = x86_64_current_task,
        .cpu_stacks = x86_64_cpu_stacks,
        .stacks_around = x86_64_stacks_around,
        .unwind = unwind_x86_64,
        .sleeping = x86_64_sleeping,
        .layout = x86_64_layout,
        .region = x86_64_region,
    },
    {
        .arch = Arch::kArm64,
        .task_stack_size = 16 << 10,
        .open_kernel = open_arm64_kernel,
        .decode_cpu = decode_arm64_cpu,
        .frame_size = kArm64FrameSize,
        .decode_frame = decode_arm64_frame,
        .entry_of = arm64_entry_of,
        .exception_entries = kArm64ExceptionEntries,
        .current_task = arm64_current_task,
        .cpu_stacks = arm64_cpu_stacks,
        .stacks_around = arm64_stacks_around,
        .unwind = unwind_arm64,
        .sleeping = arm64_sleeping,
        .layout = arm64_layout,
        .region = arm64_region,
    },
};

}  // namespace

std::span<const Architecture> all_architectures() {
  return kArchitectures;
}

const Architecture& architecture(Arch arch) {
  for (const Architecture& each : kArchitectures) {
    if (each.arch == arch) return each;
  }
  return kArchitectures[0];  // not reached: the table has every enumerator
}

}  // namespace rig::analyzer
