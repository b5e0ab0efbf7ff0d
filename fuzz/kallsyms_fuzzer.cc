// SPDX-License-Identifier: Apache-2.0
// A guest image (virtual memory) as the tables of kallsyms, asked every way round.
#include "analyzer/symbols/kallsyms.h"

#include "fuzz/guest_image.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rig::fuzz::GuestImage image = rig::fuzz::decode_image(std::as_bytes(std::span(data, size)));
  rig::analyzer::fake::FakeVirtMemory memory;
  memory.pages = std::move(image.pages);
  const rig::analyzer::Vmcoreinfo info(image.info);
  const auto symbols = rig::analyzer::Kallsyms::read(memory, info);
  if (!symbols) return 0;
  (void)symbols->lost();
  (void)symbols->address("_stext");
  const auto count = static_cast<std::uint32_t>(symbols->size());
  const std::uint32_t step = count / 64 + 1;  // some of millions are as good as all of them
  for (std::uint32_t number = 0; number < count && number + step > number; number += step) {
    const auto symbol = symbols->at(number);
    if (!symbol) continue;
    (void)symbols->address(symbol->name);
    (void)symbols->has(symbol->address, symbol->name);
    (void)symbols->nearest(symbol->address + 1);
    (void)symbols->next_after(symbol->address);
    (void)symbols->nearest_per_cpu(symbol->address);
  }
  (void)symbols->at(count);
  (void)symbols->nearest(rig::VirtAddr{~0ull});
  return 0;
}
