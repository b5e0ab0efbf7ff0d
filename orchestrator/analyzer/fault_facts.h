// SPDX-License-Identifier: Apache-2.0
// The faulting instruction, and where the value that it could not use came from. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/findings_pointer.h"
#include "analyzer/guest_facts.h"
#include "base/address.h"

namespace rig::analyzer {

// One step back from the fault: how a register got its value.
struct FaultStep {
  CodeLocation at;          // of the instruction that set it
  std::string instruction;  // "movq 8(%r14,%rax), %rbx"
  std::string reg;          // "RBX"
  std::optional<std::uint64_t> value;
  std::optional<VirtAddr> memory;  // that it was loaded from
  std::string
      place;  // that memory by its type, where the code shows it: "skb_shared_info.frag_list"
  bool confirmed = false;  // the memory still holds the value
  std::string words;       // one sentence
};

struct FaultFacts {
  CodeLocation at;
  std::string instruction;
  // "read", "write", "execute"; "divide"; "check": a BUG() or WARN(), no address was bad
  std::string access;
  std::uint64_t size = 0;  // bytes that it accesses; 0: not known
  std::optional<std::uint64_t> address;
  std::string reg;  // that held the bad address; empty: none did
  std::uint64_t value = 0;
  std::int64_t offset = 0;       // address - value: of the member that was asked for
  std::string member;            // of a known type at that offset: "kmem_cache.memcg_params"
  std::vector<FaultStep> steps;  // the nearest first; a load that is confirmed ends them
  // The memory that the value was loaded from: what it is, and whose.
  std::optional<PointerFacts> source;
  std::string source_member;  // by its type: "skb_shared_info.frag_list"; empty: not known
  std::string verdict;        // the whole in one or two sentences
};

}  // namespace rig::analyzer
