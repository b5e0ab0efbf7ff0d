// SPDX-License-Identifier: Apache-2.0
// Where the registers and the stack at the moment of the exception lead.
#pragma once

#include <span>
#include <vector>

#include "analyzer/facts/exception.h"
#include "analyzer/facts/whatis.h"

namespace rig::analyzer {

// Each register that holds more than a small number, in words; an object that two of them lead to
// is given with the first. Of the `stack_words` words from `sp` on only those that lead to a slab
// object that nothing led to before.
std::vector<PointerFacts> follow_pointers(std::span<const RegisterValue> registers, VirtAddr sp,
                                          const StackRange& stack, unsigned stack_words,
                                          const Kernel& kernel, Whatis& whatis);

}  // namespace rig::analyzer
