// SPDX-License-Identifier: Apache-2.0
// A64 instructions from their encoding: Arm ARM, C4 "A64 Instruction Set Encoding".
#pragma once

#include "analyzer/code/instruction_set.h"

namespace rig::analyzer {

Result<std::unique_ptr<Decoder>> open_arm64_decoder();

}  // namespace rig::analyzer
