// SPDX-License-Identifier: Apache-2.0
// What a parsed BTF keeps: its bytes, where each type begins, and an index of names that is made
// when a name is first asked for. For btf*.cc only.
#pragma once

#include <optional>
#include <vector>

#include "analyzer/symbols/btf.h"
#include "analyzer/symbols/name_index.h"

namespace rig::analyzer {

inline constexpr std::uint64_t kBtfTypeSize = 12;

struct Btf::Data {
  std::vector<std::byte> bytes;
  ByteView types;
  ByteView strings;
  std::vector<std::uint32_t> starts;  // of type first_id + i, within types
  std::uint32_t first_id = 1;
  std::uint32_t first_string = 0;    // strings below are those of `base`
  std::shared_ptr<const Data> base;  // of a module's
  mutable std::optional<NameIndex> names;

  Status index_types();
  std::string_view string_at(std::uint32_t offset) const;
  std::optional<TypeInfo> type(std::uint32_t id) const;
  const NameIndex& name_index() const;
};

}  // namespace rig::analyzer
