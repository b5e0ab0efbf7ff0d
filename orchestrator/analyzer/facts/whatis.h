// SPDX-License-Identifier: Apache-2.0
// What an address is, in words: code, data, stack, slab object, per-CPU area, page, or nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analyzer/facts/cpus.h"
#include "analyzer/slab/slab_reader.h"

namespace rig::analyzer {

struct What {
  std::string words;
  std::optional<SlabHit> slab;
  bool known = false;  // false: nothing is known but the area the address lies in
};

class Whatis {
 public:
  // `cpus` and `tasks` name the stacks.
  Whatis(const Kernel& kernel, const Architecture& arch, unsigned paging_levels,
         std::vector<StackRange> stacks, unsigned cpus);

  What ask(VirtAddr address);

 private:
  std::optional<std::string> per_cpu(VirtAddr address) const;
  std::optional<std::string> stack(VirtAddr address) const;
  std::string page(VirtAddr address, const Region& region) const;

  const Kernel& kernel_;
  const Architecture& arch_;
  unsigned paging_levels_;
  std::vector<StackRange> stacks_;
  std::vector<std::uint64_t> per_cpu_offsets_;
  SlabReader slabs_;
};

}  // namespace rig::analyzer
