// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "analyzer/guest_facts.h"

namespace rig::fakes {

// 0x10 into that function.
inline analyzer::CodeLocation code_in(std::string function, std::string module = {}) {
  return {VirtAddr{0xffffffff81000000}, std::move(function), 0x10, std::move(module)};
}

}  // namespace rig::fakes
