// SPDX-License-Identifier: Apache-2.0
// Reads a kernel description, one YAML file of kernels/. For kernel_spec.cc.
#pragma once

#include <string_view>

#include "scenario/kernel_spec.h"
#include "scenario/schema_reader.h"

namespace rig::scenario {

// Fragments are looked for in fragments/ beside the file, then in that of `folder`.
Result<KernelSpec> read_kernel_file(const fs::path& file, const fs::path& folder);

// Is it an ABI of that series, as "6.1.0-47" is of "6.1"?
bool is_abi_of(std::string_view abi, std::string_view series);

// A scenario's `kernel:`: a name or path, or `{build: PATH}`, which becomes "build:PATH".
std::optional<std::string> read_kernel_reference(const Node& node, Problems& problems);

}  // namespace rig::scenario
