// SPDX-License-Identifier: Apache-2.0
// The kernel's containers, walked without trust: each walk visits an element once, has a bound, and
// says in words why it ended before the end ("" when it did not).
#pragma once

#include <functional>
#include <string>

#include "analyzer/facts/field_reader.h"

namespace rig::analyzer {

inline constexpr std::size_t kMaxElements = 1 << 17;

// struct list_head: the objects linked through the list_head at `link` within each.
using VisitObject = std::function<void(VirtAddr)>;
std::string walk_list(const VirtMemory& memory, VirtAddr head, std::uint64_t link,
                      const VisitObject& visit, std::size_t limit = kMaxElements);

// struct rb_root in order (include/linux/rbtree.h): the objects with an rb_node at `link`.
std::string walk_rbtree(const FieldReader& fields, VirtAddr root, std::uint64_t link,
                        const VisitObject& visit, std::size_t limit = kMaxElements);

// struct xarray, also under its old name radix_tree_root (include/linux/xarray.h): the pointers in
// it by index. Value entries are left out.
using VisitEntry = std::function<void(std::uint64_t index, VirtAddr entry)>;
std::string walk_xarray(const FieldReader& fields, VirtAddr root, const VisitEntry& visit,
                        std::size_t limit = kMaxElements);

}  // namespace rig::analyzer
