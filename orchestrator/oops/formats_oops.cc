// SPDX-License-Identifier: Apache-2.0
// What exceptions print: arch/x86/mm/fault.c, arch/x86/kernel/{traps,dumpstack}.c,
// arch/arm64/mm/fault.c, arch/arm64/kernel/traps.c, arch/{arm,powerpc,riscv}/mm/fault.c,
// arch/riscv/kernel/traps.c, kernel/cfi.c, 3.10 to 6.x.
// Order matters where two formats share a needle: the special one comes first.
#include "oops/report_formats.h"

namespace rig::oops {
namespace {

std::vector<Format> stack_overflows() {
  return {
      {.family = "stack-guard",
       .needles = {"stack guard page was hit"},
       // Before its random numbers are ready the kernel hides even addresses' hashes.
       .spellings =
           {{.pattern =
                 R"(BUG: (?:[\w#]+ )?stack guard page was hit at (?:\(____ptrval____\)|(?:0x)?(?P<addr>[0-9a-f]+)))",
             .kind = "stack-guard-hit",
             .title = "BUG: stack guard page was hit in {function}"}},
       .choice = Choice::kRepresentative,
       .alt = {"stack-overflow in {function}"},
       .repeats = true},
      {.family = "stack-guard",
       .needles = {"kernel stack overflow", "Insufficient stack space"},
       .spellings = {{.pattern = R"(kernel stack overflow \((?:page fault|double-fault)\))",
                      .kind = "stack-guard-hit",
                      .title = "kernel stack overflow in {function}"},
                     {.pattern = R"(Insufficient stack space to handle exception!)",
                      .kind = "stack-guard-hit",
                      .title = "kernel stack overflow in {function}"},
                     {.pattern = R"(Kernel panic - not syncing: kernel stack overflow)",
                      .kind = "stack-guard-hit",
                      .title = "kernel stack overflow in {function}"}},
       // arm64 prints the registers, then panics: the stack is the panic's.
       .skip = &overflow_helpers(),
       .look = Look::kTrace,
       .choice = Choice::kRepresentative,
       .type = "DoS",
       .alt = {"stack-overflow in {function}"},
       .repeats = true}};
}

std::vector<Format> page_faults() {
  return {
      {.family = "null-deref",
       .needles = {"NULL pointer dereference"},
       .spellings =
           {{.pattern =
                 R"([Uu]nable to handle kernel NULL pointer dereference(?: \((?P<access>read|write)\))?(?: at (?:virtual address )?(?:0x)?(?P<addr>[0-9a-f]+))?(?: when (?P<access2>read|write|execute))?)",
             .kind = "null-deref",
             .title = "BUG: unable to handle kernel NULL pointer dereference in {function}"},
            {.pattern =
                 R"(BUG: [Kk]ernel NULL pointer dereference(?:, address:| on (?P<access>read|write) at) (?:0x)?(?P<addr>[0-9a-f]+))",
             .kind = "null-deref",
             .title = "BUG: unable to handle kernel NULL pointer dereference in {function}"}},
       .type = "NULL-POINTER-DEREFERENCE",
       .alt = {"bad-access in {function}"},
       .page_fault = true},
      {.family = "paging-fault",
       .needles = {"nable to handle "},
       .spellings =
           {{.pattern =
                 R"([Uu]nable to handle (?:kernel )?(?:paging request|read from unreadable memory|write to read-only memory|execute from non-executable memory|data access[\w ]*)(?: at| on \w+)?(?: virtual address)? (?:0x)?(?P<addr>[0-9a-f]+)(?: when (?P<access>read|write|execute))?)",
             .kind = "paging-fault",
             .title = "BUG: unable to handle kernel paging request in {function}"},
            {.pattern = R"([Uu]nable to handle page fault for address: (?:0x)?(?P<addr>[0-9a-f]+))",
             .kind = "paging-fault",
             .title = "BUG: unable to handle kernel paging request in {function}"},
            {.pattern =
                 R"([Uu]nable to handle kernel (?P<what>access to user memory|execution of user memory)(?: outside uaccess routines| with fs=KERNEL_DS)?(?:.* at virtual address (?:0x)?(?P<addr>[0-9a-f]+))?)",
             .kind = "paging-fault",
             .title = "BUG: unable to handle kernel {what} in {function}",
             .type = ""},
            {.pattern = R"(BUG: Unable to handle kernel (?P<access>instruction fetch))",
             .kind = "paging-fault",
             .title = "BUG: unable to handle kernel paging request in {function}"},
            // Old kernels print the rest of the line with a second printk().
            {.pattern = R"(BUG: [Uu]nable to handle kernel *(?:$|\[ *\d+\.))",
             .kind = "paging-fault",
             .title = "BUG: unable to handle kernel",
             .type = "",
             .hopeless = true}},
       .type = "MEMORY_SAFETY_BUG",
       .alt = {"bad-access in {function}"},
       .page_fault = true},
      {.family = "unhandled-fault",
       .needles = {"Unhandled fault: ", "Unhandled prefetch abort"},
       .spellings = {{.pattern = R"(Unhandled fault: .* at 0x(?P<addr>[0-9a-f]+))",
                      .kind = "unhandled-fault",
                      .title = "Unhandled fault in {function}"},
                     {.pattern = R"(Unhandled (?:fault|prefetch abort): )",
                      .kind = "unhandled-fault",
                      .title = "Unhandled fault in {function}"}},
       .type = "DoS",
       .alt = {"bad-access in {function}"}},
      {.family = "unhandled-fault",
       .needles = {"Alignment trap: "},
       .spellings = {{.pattern = R"(^Alignment trap: not handling instruction)",
                      .kind = "alignment-trap",
                      .title = "Alignment trap in {function}"}},
       .type = "DoS"}};
}

std::vector<Format> traps() {
  return {
      {.family = "gpf",
       .needles = {"general protection fault"},
       // "traps: sh[12] general protection fault ip:... error:0 in libc.so" is a program's.
       .spellings =
           {{.pattern =
                 R"(general protection fault(?:,? [a-zA-Z -]+ 0x(?P<addr>[0-9a-f]+))?: [0-9a-f]{1,4}(?: |$))",
             .kind = "gpf",
             .title = "general protection fault in {function}"}},
       .type = "DoS",
       .alt = {"bad-access in {function}"}},
      {.family = "trap",
       .role = Role::kSplat,
       .needles = {"divide error: ", "divide_error: ", "stack segment: ", "invalid opcode: ",
                   "int3: ", "alignment check: ", "segment not present: ", "invalid TSS: ",
                   "control protection fault: ", "Control protection fault", "debug: 00",
                   "bounds: ", "coprocessor segment overrun: ", "Missing ENDBR: ",
                   "Bad pagetable: "},
       .spellings =
           {// The underscore is 5.8's.
            {.pattern = R"(divide[ _]error: [0-9a-f]{1,4} \[#)",
             .kind = "divide-error",
             .title = "divide error in {function}",
             .look = Look::kProgramCounter},
            {.pattern = R"(stack segment: [0-9a-f]{1,4} \[#)",
             .kind = "stack-segment",
             .title = "stack segment fault in {function}"},
            {.pattern = R"(int3: [0-9a-f]{1,4} \[#)",
             .kind = "int3",
             .title = "int3 in {function}"},
            {.pattern = R"(invalid opcode: [0-9a-f]{1,4} \[#)",
             .kind = "invalid-opcode",
             .title = "invalid opcode in {function}",
             .look = Look::kProgramCounter},
            {.pattern = R"(alignment check: [0-9a-f]{1,4} \[#)",
             .kind = "trap",
             .title = "alignment check in {function}"},
            {.pattern =
                 R"((?P<what>segment not present|invalid TSS|debug|bounds|coprocessor segment overrun): [0-9a-f]{1,4} \[#)",
             .kind = "trap",
             .title = "{what} in {function}"},
            {.pattern = R"(Bad pagetable: [0-9a-f]{1,4} \[#)",
             .kind = "bad-pagetable",
             .title = "bad pagetable in {function}"},
            {.pattern = R"([Cc]ontrol protection fault: [0-9a-f]{1,4} \[#)",
             .kind = "trap",
             .title = "control protection fault in {function}"},
            {.pattern = R"(^(?:traps: )?Missing ENDBR: (?P<func>[^\s+]+))",
             .kind = "trap",
             .title = "missing ENDBR in {function}",
             .look = Look::kNamed}},
       .type = "DoS",
       .names_exception = true},
      {.family = "double-fault",
       .needles = {"double fault", "PANIC: early exception"},
       .spellings = {{.pattern = R"(PANIC: double fault)",
                      .kind = "double-fault",
                      .title = "PANIC: double fault in {function}"},
                     // Before there are handlers: arch/x86/mm/extable.c.
                     {.pattern = R"(PANIC: early exception)",
                      .kind = "early-exception",
                      .title = "PANIC: early exception in {function}"},
                     {.pattern = R"(^(?:Oops: )?double fault: [0-9a-f]{1,4} \[#)",
                      .kind = "double-fault",
                      .title = "PANIC: double fault in {function}"}},
       .look = Look::kProgramCounter,
       .type = "DoS",
       .names_exception = true},
      {.family = "oops",
       .role = Role::kFollowUp,
       .needles = {"Internal error: ", "Oops", "Kernel BUG [#", "Unexpected kernel BRK exception"},
       .spellings = {{.pattern = R"(Internal error: Oops - BUG: )",
                      .kind = "kernel-bug",
                      .title = "Internal error in {function}"},
                     {.pattern = R"(Internal error: Oops - [Uu]ndefined instruction: )",
                      .kind = "invalid-opcode",
                      .title = "Internal error in {function}"},
                     {.pattern = R"(Internal error: )",
                      .kind = "internal-error",
                      .title = "Internal error in {function}"},
                     {.pattern = R"(^Oops: [0-9a-f]{4,} \[#\d+\])",
                      .kind = "oops",
                      .title = "Oops in {function}"},
                     // RISC-V, and PowerPC with the signal.
                     {.pattern = R"(^Oops - illegal instruction \[#\d+\])",
                      .kind = "invalid-opcode",
                      .title = "Oops in {function}"},
                     {.pattern = R"(^Oops(?: - [\w ()]+|: [\w ]+, sig: \d+)? \[#\d+\])",
                      .kind = "oops",
                      .title = "Oops in {function}"},
                     {.pattern = R"(^Kernel BUG \[#\d+\])",
                      .kind = "kernel-bug",
                      .title = "kernel BUG in {function}",
                      .type = "BUG"},
                     {.pattern = R"(^Unexpected kernel BRK exception)",
                      .kind = "internal-error",
                      .title = "Internal error in {function}"}},
       .type = "DoS",
       .alt = {"bad-access in {function}"}}};
}

// Indirect calls to functions of another type (CONFIG_CFI_CLANG). Before 6.1 the caller is told
// only by the WARNING that follows.
std::vector<Format> control_flow() {
  return {{.family = "cfi",
           .role = Role::kMessage,
           .needles = {"CFI failure at "},
           .spellings = {{.pattern = R"(^CFI failure at (?P<func>[A-Za-z_][^\s+]*)\+0x)",
                          .kind = "cfi",
                          .title = "CFI failure in {function}"}},
           .look = Look::kNamed,
           .type = "DoS"},
          {.family = "cfi",
           .role = Role::kMessage,
           .needles = {"CFI failure (target: "},
           .spellings = {{.pattern = R"(^CFI failure \(target: )",
                          .kind = "cfi",
                          .title = "CFI failure in {function}"}},
           .skip = &control_flow_checkers(),
           .look = Look::kTrace,
           .type = "DoS",
           .titled_by_splat = true}};
}

}  // namespace

std::vector<Format> oops_formats() {
  std::vector<Format> all = stack_overflows();
  for (Format& format : page_faults()) all.push_back(std::move(format));
  for (Format& format : traps()) all.push_back(std::move(format));
  for (Format& format : control_flow()) all.push_back(std::move(format));
  return all;
}

}  // namespace rig::oops
