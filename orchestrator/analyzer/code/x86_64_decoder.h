// SPDX-License-Identifier: Apache-2.0
// x86_64 instructions, through Capstone.
#pragma once

#include "analyzer/code/instruction_set.h"

namespace rig::analyzer {

Result<std::unique_ptr<Decoder>> open_x86_64_decoder();

}  // namespace rig::analyzer
