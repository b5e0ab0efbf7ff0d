// SPDX-License-Identifier: Apache-2.0
// Any bytes as the parts of a split dump: u16 size of the first, its bytes, the second's.
#include "analyzer/core/core.h"
#include "fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rig::ByteReader reader(std::as_bytes(std::span(data, size)));
  const auto first_size = reader.next<std::uint16_t>();
  const auto first = first_size ? reader.take(*first_size) : std::nullopt;
  if (!first) return 0;
  const rig::fuzz::MemoryFile one(*first), two(*reader.take(reader.remaining()));
  const std::vector<rig::fs::path> parts = {one.path(), two.path()};
  const auto core = rig::analyzer::Core::open(parts);
  if (!core) return 0;
  std::vector<std::byte> buffer(0x4000);
  int left = 64;  // as many ranges as a look at the memory takes
  for (const rig::analyzer::PhysRange& range : core->memory().ranges()) {
    if (left-- == 0) break;
    (void)core->memory().read(range.begin, buffer);
    (void)core->memory().load<std::uint64_t>(range.begin + (range.size - 4));
  }
  return 0;
}
