// SPDX-License-Identifier: Apache-2.0
// Types as C spells them.
#pragma once

#include <string>
#include <string_view>

#include "analyzer/symbols/btf.h"

namespace rig::analyzer {

// "struct list_head *next", "u8 comm[16]", "void (*f)(struct sk_buff *)"; without a name the type
// alone: "struct list_head *", "u8 [16]". An anonymous struct is "struct {...}".
std::string declaration(const Btf& types, std::uint32_t id, std::string_view name = {});

// "struct page", "union {...}", "enum pid_type", "u32"; of a typedef its name.
std::string type_name(const TypeInfo& type);

}  // namespace rig::analyzer
