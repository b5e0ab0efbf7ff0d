// SPDX-License-Identifier: Apache-2.0
#include "analyzer/code/instruction_set.h"

#include <algorithm>

#include "analyzer/code/arm64_decoder.h"
#include "analyzer/code/x86_64_decoder.h"

namespace rig::analyzer {
namespace {

// In the order of the encoding.
constexpr std::string_view kX86Names[] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                          "R08", "R09", "R10", "R11", "R12", "R13", "R14", "R15"};
constexpr Register kX86Arguments[] = {7, 6, 2, 1, 8, 9};
constexpr RegisterSet kX86Saved =
    set_of(3) | set_of(4) | set_of(5) | set_of(12) | set_of(13) | set_of(14) | set_of(15);

constexpr std::string_view kArm64Names[] = {"x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",
                                            "x8",  "x9",  "x10", "x11", "x12", "x13", "x14", "x15",
                                            "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23",
                                            "x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp"};
constexpr Register kArm64Arguments[] = {0, 1, 2, 3, 4, 5, 6, 7};
// x18 is the shadow call stack's, or nobody's.
constexpr RegisterSet kArm64Saved = 0xbffc'0000;

constexpr InstructionSet kSets[] = {
    {Arch::kX86_64, kX86Names, 4, kNoRegister, 0, kX86Arguments, kX86Saved, open_x86_64_decoder},
    {Arch::kArm64, kArm64Names, 31, 30, 0, kArm64Arguments, kArm64Saved, open_arm64_decoder},
};

}  // namespace

Register InstructionSet::number(std::string_view name) const {
  const auto found = std::ranges::find(names, name);
  return found == names.end() ? kNoRegister : static_cast<Register>(found - names.begin());
}

const InstructionSet& instruction_set(Arch arch) {
  return *std::ranges::find(kSets, arch, &InstructionSet::arch);
}

}  // namespace rig::analyzer
