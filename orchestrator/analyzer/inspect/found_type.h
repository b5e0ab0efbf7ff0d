// SPDX-License-Identifier: Apache-2.0
// Types by the names that users write, of the kernel and its modules, and parts of them by path.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

struct FoundType {
  const Btf* types = nullptr;
  std::uint32_t id = 0;
  const Module* module = nullptr;  // null: the kernel's
};

// All types of that name ("list_head", "struct list_head", "u32"): the kernel's, and only when it
// has none those of the modules.
std::vector<FoundType> find_types(const Kernel& kernel, std::string_view name);

// A per-CPU variable of the kernel or a module: its type.
std::optional<FoundType> find_variable(const Kernel& kernel, std::string_view name);

// ", did you mean 'x'?" of the kernel's types, or nothing.
std::string near_types(const Kernel& kernel, std::string_view name);

// A part of a type.
struct TypePart {
  std::uint32_t type = 0;
  std::uint64_t offset = 0;  // bytes
  unsigned bit_offset = 0;   // of a bit field: from the lowest bit of the first byte
  unsigned bit_size = 0;     // 0: no bit field
};

// "tasks.next", "thread.tls_array[1].base0": through members (of anonymous parts too) and arrays.
// Nothing when there is no such part; an index may lie beyond the end of an array of size 0 or 1.
std::optional<TypePart> find_part(const Btf& types, std::uint32_t owner, std::string_view path);

}  // namespace rig::analyzer
