// SPDX-License-Identifier: Apache-2.0
// What a slab object is used for now, where that is proven: free, the head of a packet, text.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/facts/session.h"
#include "analyzer/slab/slab_reader.h"

namespace rig::analyzer {

struct CurrentOwner {
  std::string words;  // "the head of a packet: RDI's sk_buff 0x… points to it"; empty: not known
  // Bytes of the object that it wrote, or that its being free made: they tell nothing of a former
  // owner.
  struct Range {
    std::uint64_t offset = 0, size = 0;
  };
  std::vector<Range> written;
  bool other = false;  // the bytes that are left are not of this use
};

// Keeps what registers and stacks lead to: for several objects of one core.
class CurrentOwners {
 public:
  // All must outlive it.
  CurrentOwners(Session& session, const Kernel& kernel, SlabReader& slabs)
      : session_(session), kernel_(kernel), slabs_(slabs) {}

  // `object`: with its content; `free_pointer`: its offset in free objects of that cache.
  CurrentOwner find(const SlabObject& object, std::uint64_t free_pointer);

 private:
  struct Packet {
    VirtAddr buffer{};  // the sk_buff
    std::string from;   // what leads there
  };

  const std::map<std::uint64_t, Packet>& packets();

  Session& session_;
  const Kernel& kernel_;
  SlabReader& slabs_;
  std::optional<std::map<std::uint64_t, Packet>> packets_;  // by the head of their data
};

}  // namespace rig::analyzer
