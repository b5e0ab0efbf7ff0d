// SPDX-License-Identifier: Apache-2.0
// From an offset within a struct to the member that lies there, by its whole path.
#pragma once

#include <optional>
#include <string>

#include "analyzer/symbols/btf.h"

namespace rig::analyzer {

struct MemberPath {
  std::string path;          // "skb_shared_info.frags[0].bv_len", with "+0x2" when within a member
  std::uint32_t type = 0;    // of the member
  std::uint64_t within = 0;  // bytes from its start
};

// The innermost member at `offset` of the struct or union `owner`; of several in a union one that
// begins there and is of `size` bytes goes first (0: any). Nothing outside of it.
std::optional<MemberPath> member_at(const Btf& types, std::uint32_t owner, std::int64_t offset,
                                    std::uint64_t size);

}  // namespace rig::analyzer
