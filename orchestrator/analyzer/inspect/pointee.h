// SPDX-License-Identifier: Apache-2.0
// What a word of the guest's memory points to, in a few characters.
#pragma once

#include <string>

#include "analyzer/facts/session.h"

namespace rig::analyzer {

class Pointee {
 public:
  Pointee(Session& session, const Kernel& kernel) : session_(session), kernel_(kernel) {}

  // "<schedule+0x5>", "[kmalloc-1k]", "[task_struct+0x40, free]", or nothing. Looking into slabs
  // costs: after some hundreds only symbols are named.
  std::string brief(VirtAddr address);
  // All that is known: symbol, slab object, stack, page. Empty for small numbers.
  std::string words(VirtAddr address);

 private:
  static constexpr unsigned kMaxSlabs = 512;

  Session& session_;
  const Kernel& kernel_;
  unsigned slabs_ = 0;
};

}  // namespace rig::analyzer
