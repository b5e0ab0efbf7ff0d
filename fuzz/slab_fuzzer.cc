// SPDX-License-Identifier: Apache-2.0
// A guest image (virtual memory) as a heap of the fakes' kernel: what an audit says of it, and of
// addresses in it.
#include "analyzer/slab_json.h"
#include "fakes/synthetic_heap.h"
#include "fuzz/guest_image.h"

namespace {

using namespace rig;
using namespace rig::analyzer;
using fake::SyntheticHeap;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Btf kTypes = SyntheticHeap::types();
  fuzz::GuestImage image = fuzz::decode_image(std::as_bytes(std::span(data, size)));
  fake::FakeVirtMemory memory;
  memory.pages = std::move(image.pages);
  const Vmcoreinfo info(SyntheticHeap::info_text());
  const Kernel kernel(memory, info, {}, kTypes);
  SlabReader reader(kernel, architecture(Arch::kX86_64), 2);
  const ObjectDebug debug(kernel);
  SlabAuditInput input;
  input.memory = {{PhysAddr{0}, SyntheticHeap::kMemory}};
  input.work = [] {
    return std::vector<AllocatorWork>{{"CPU 1", {SyntheticHeap::kPages + 0x400 * 64}}};
  };
  input.debug = &debug;
  (void)boost::json::serialize(slab_json(audit_slabs(reader, input)));
  for (std::uint64_t at = SyntheticHeap::kDirect + SyntheticHeap::kFirstSlab * 4096;
       at < SyntheticHeap::kDirect + (SyntheticHeap::kFirstSlab + 16) * 4096; at += 0x3c8) {
    (void)reader.find(VirtAddr{at});
  }
  return 0;
}
