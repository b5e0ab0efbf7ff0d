// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/vma_lookup.h"

#include <algorithm>

namespace rig::analyzer {
namespace {

constexpr unsigned kMaxHeight = 31;     // MAPLE_HEIGHT_MAX
constexpr unsigned kMaxRedBlack = 128;  // deeper than any tree of 2^64 elements
constexpr std::uint64_t kNodeBytes = 256;
constexpr std::uint64_t kReservedRange = 4096;  // MAPLE_RESERVED_RANGE: no nodes below

bool is_node(std::uint64_t entry) {
  return (entry & 3) == 2 && entry > kReservedRange;
}

// Where a kind of node has its pivots and slots.
struct NodeLayout {
  std::optional<Member> pivots, slots;
  bool leaf = false;  // its slots lead to what is kept, not to nodes
};

NodeLayout layout_of(const FieldReader& fields, std::uint64_t kind) {
  const auto& types = fields.kernel().types();
  const auto is = [&](std::string_view name) {
    const auto value = types ? types->enumerator("maple_type", name) : std::nullopt;
    return value && kind == static_cast<std::uint64_t>(*value);
  };
  if (is("maple_arange_64")) {
    return {fields.member("maple_node.ma64.pivot"), fields.member("maple_node.ma64.slot"), false};
  }
  const bool leaf = is("maple_leaf_64");
  if (!leaf && !is("maple_range_64")) return {};
  return {fields.member("maple_node.mr64.pivot"), fields.member("maple_node.mr64.slot"), leaf};
}

// The slot for `index`. A pivot is the last index of its slot; one of 0 ends them.
std::optional<std::uint64_t> slot_for(const NodeLayout& layout, ByteView node,
                                      std::uint64_t index) {
  const auto count = layout.pivots->elements.value_or(0);
  std::uint64_t slot = 0;
  for (; slot < std::min<std::uint64_t>(count, kNodeBytes / 8); ++slot) {
    const auto pivot = load<std::uint64_t>(node, layout.pivots->offset + slot * 8);
    if (!pivot || (*pivot == 0 && slot > 0) || index <= *pivot) break;
  }
  return load<std::uint64_t>(node, layout.slots->offset + slot * 8);
}

std::optional<VmaHit> hit_of(const FieldReader& fields, VirtAddr vma, VirtAddr address) {
  const auto begin = fields.value(vma, "vm_area_struct.vm_start");
  const auto end = fields.value(vma, "vm_area_struct.vm_end");
  if (!begin || !end || raw(address) < *begin || raw(address) >= *end) return std::nullopt;
  return VmaHit{vma, VirtAddr{*begin}, VirtAddr{*end}};
}

std::optional<VmaHit> find_in_rbtree(const FieldReader& fields, VirtAddr mm, VirtAddr address,
                                     std::string& why) {
  const auto link = fields.member("vm_area_struct.vm_rb");
  auto node = fields.value(mm, "mm_struct.mm_rb.rb_node");
  if (!link || !node) {
    why = "this kernel's mm_struct is not one we know";
    return std::nullopt;
  }
  for (unsigned depth = 0; *node != 0 && depth < kMaxRedBlack; ++depth) {
    const VirtAddr vma = VirtAddr{*node} - link->offset;
    const auto end = fields.value(vma, "vm_area_struct.vm_end");
    if (!end) break;
    if (const auto hit = hit_of(fields, vma, address)) return hit;
    const bool left = raw(address) < *end;
    node = fields.value(VirtAddr{*node}, left ? "rb_node.rb_left" : "rb_node.rb_right");
    if (!node) break;
  }
  if (!node || *node != 0) why = "its tree of mappings cannot be followed";
  return std::nullopt;
}

}  // namespace

std::optional<VirtAddr> maple_load(const FieldReader& fields, VirtAddr tree, std::uint64_t index,
                                   std::string& why) {
  auto entry = fields.value(tree, "maple_tree.ma_root");
  std::vector<std::byte> node(kNodeBytes);
  // Only the root's entry says that it is a node; further down the kind of the node above does.
  bool more = entry && is_node(*entry);
  for (unsigned height = 0; entry && more; ++height) {
    const VirtAddr at{*entry & ~(kNodeBytes - 1)};
    const NodeLayout layout = layout_of(fields, *entry >> 3 & 15);
    if (height >= kMaxHeight || !layout.pivots || !layout.slots ||
        !fields.kernel().memory().read(at, node)) {
      why = fmt::format("the node of its maple tree at {} cannot be followed", at);
      return std::nullopt;
    }
    entry = slot_for(layout, node, index);
    more = !layout.leaf;
  }
  if (!entry) why = "its maple tree cannot be read";
  // The low bits mark what is no pointer.
  if (!entry || *entry == 0 || (*entry & 3) != 0) return std::nullopt;
  return VirtAddr{*entry};
}

std::optional<VmaHit> find_vma(const FieldReader& fields, VirtAddr mm, VirtAddr address,
                               std::string& why) {
  const auto tree = fields.place(mm, "mm_struct.mm_mt");
  if (!tree) return find_in_rbtree(fields, mm, address, why);
  const auto vma = maple_load(fields, *tree, raw(address), why);
  if (!vma) return std::nullopt;
  auto hit = hit_of(fields, *vma, address);
  if (!hit) why = fmt::format("its maple tree leads to {}, which is no mapping of it", *vma);
  return hit;
}

}  // namespace rig::analyzer
