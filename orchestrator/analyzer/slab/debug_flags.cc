// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/debug_flags.h"

namespace rig::analyzer {
namespace {

// SLAB_CONSISTENCY_CHECKS and so on of include/linux/slab.h: the values did not change until
// cc61eb851461 (v6.9) made bits of an enum out of them, which the types have.
struct Row {
  const char* bit;
  std::uint64_t value;
  const char* words;
};
constexpr Row kRows[] = {{"_SLAB_CONSISTENCY_CHECKS", 0x100, "checks"},
                         {"_SLAB_RED_ZONE", 0x400, "red-zone"},
                         {"_SLAB_POISON", 0x800, "poison"},
                         {"_SLAB_STORE_USER", 0x10000, "user"},
                         {"_SLAB_TRACE", 0x200000, "trace"}};

}  // namespace

DebugFlags::DebugFlags(const Kernel& kernel) {
  for (const Row& row : kRows) {
    const auto bit =
        kernel.types() ? kernel.types()->enumerator("_slab_flag_bits", row.bit) : std::nullopt;
    const bool known = bit && *bit >= 0 && *bit < 64;
    flags_.emplace_back(known ? 1ull << *bit : row.value, row.words);
  }
}

std::vector<std::string> DebugFlags::of(const SlabCache& cache) const {
  std::vector<std::string> words;
  for (const auto& [flag, text] : flags_) {
    if ((cache.flags & flag) != 0) words.push_back(text);
  }
  return words;
}

}  // namespace rig::analyzer
