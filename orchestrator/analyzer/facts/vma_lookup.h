// SPDX-License-Identifier: Apache-2.0
// Which mapping of a process an address of it lies in: a maple tree since d4af56c5c7c6 (v6.1),
// before a red-black tree. Format: include/linux/maple_tree.h, include/linux/mm_types.h.
#pragma once

#include "analyzer/facts/field_reader.h"

namespace rig::analyzer {

struct VmaHit {
  VirtAddr at{};  // of its struct vm_area_struct
  VirtAddr begin{}, end{};
};

// `mm`: a struct mm_struct. Nothing: no mapping, or (`why`) its tree cannot be followed.
std::optional<VmaHit> find_vma(const FieldReader& fields, VirtAddr mm, VirtAddr address,
                               std::string& why);

// The pointer that a struct maple_tree has for `index`.
std::optional<VirtAddr> maple_load(const FieldReader& fields, VirtAddr tree, std::uint64_t index,
                                   std::string& why);

}  // namespace rig::analyzer
