// SPDX-License-Identifier: Apache-2.0
// A guest image (virtual memory) as the ring of printk.
#include "analyzer/facts/log.h"

#include "fuzz/guest_image.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kGuestMemory = 4 << 20;
  rig::fuzz::GuestImage image = rig::fuzz::decode_image(std::as_bytes(std::span(data, size)));
  rig::analyzer::fake::FakeVirtMemory memory;
  memory.pages = std::move(image.pages);
  (void)rig::analyzer::read_log(memory, rig::analyzer::Vmcoreinfo(image.info), kGuestMemory);
  return 0;
}
