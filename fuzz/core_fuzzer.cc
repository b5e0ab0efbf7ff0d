// SPDX-License-Identifier: Apache-2.0
// Any bytes as a vmcore: containers, bitmaps, descriptors, decompression, notes, VMCOREINFO.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "analyzer/core/core.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const rig::UniqueFd fd(::memfd_create("core", MFD_CLOEXEC));
  if (::write(fd.get(), data, size) != static_cast<ssize_t>(size)) std::abort();
  const auto core = rig::analyzer::Core::open(fmt::format("/proc/self/fd/{}", fd.get()));
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
