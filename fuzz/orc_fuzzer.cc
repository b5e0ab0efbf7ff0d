// SPDX-License-Identifier: Apache-2.0
// A guest image (virtual memory) as a kernel with ORC tables, modules and stacks: what a look-up in
// the tables gives, and where walks by them lead.
#include "analyzer/facts/backtrace.h"
#include "fakes/orc_kernel.h"
#include "fuzz/guest_image.h"

namespace {

using namespace rig;
using namespace rig::analyzer;
using fake::OrcKernel;

void walk(const Kernel& kernel, std::uint64_t pc, std::uint64_t sp) {
  static const std::vector<StackRange> kStacks = {
      {"stack of task 42", VirtAddr{OrcKernel::kStack}, OrcKernel::kStackSize},
      {"IRQ stack of CPU 1", VirtAddr{OrcKernel::kIrqStack}, OrcKernel::kStackSize}};
  UnwindPoint start{VirtAddr{pc}, VirtAddr{sp}, {}, true, {}};
  start.fp = VirtAddr{sp + 64};
  (void)unwind_from(kernel, architecture(Arch::kX86_64), kStacks, start);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::GuestImage image = fuzz::decode_image(std::as_bytes(std::span(data, size)));
  fake::FakeVirtMemory memory;
  memory.pages = std::move(image.pages);
  const Vmcoreinfo info(image.info);
  std::vector<std::string> remarks;
  const Kernel kernel = Kernel::read(memory, info, remarks);
  for (std::uint64_t at = OrcKernel::kText; at < OrcKernel::kText + 0x1000; at += 0x80) {
    (void)kernel.unwind_entry(VirtAddr{at + 0x10});
    (void)kernel.code(VirtAddr{at});
  }
  (void)kernel.unwind_entry(VirtAddr{OrcKernel::kModule + 0x10});
  const std::uint64_t top = OrcKernel::kStack + OrcKernel::kStackSize;
  for (unsigned function = 1; function < 5; ++function) {
    const std::uint64_t pc = OrcKernel::kText + 0x100 * function + 0x10;
    walk(kernel, pc, top - 0x208);
    walk(kernel, pc, OrcKernel::kIrqStack + OrcKernel::kStackSize - 0x100);
  }
  return 0;
}
