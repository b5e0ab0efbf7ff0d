// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/guest_walks.h"

#include <unordered_set>
#include <vector>

namespace rig::analyzer {
namespace {

constexpr unsigned kMaxTreeDepth = 128;  // a red-black tree of 2^64 elements is no deeper
constexpr unsigned kMaxShift = 63;
constexpr unsigned kMaxSlots = 64;  // XA_CHUNK_SIZE

std::string unreadable(VirtAddr at, const ReadFault& fault) {
  return fmt::format("{} is {}", at, to_string(fault.why));
}
std::string too_many(std::size_t limit) {
  return fmt::format("it has more than {} elements", limit);
}

class XarrayWalk {
 public:
  XarrayWalk(const FieldReader& fields, const VisitEntry& visit, std::size_t limit)
      : fields_(fields), visit_(visit), left_(limit), nodes_left_(limit), limit_(limit) {}

  std::string entry(std::uint64_t value, std::uint64_t index, unsigned above) {
    if (value == 0 || (value & 1) != 0) return {};  // empty, or xa_is_value()
    if ((value & 2) == 0) {
      if (left_ == 0) return too_many(limit_);
      --left_;
      visit_(index, VirtAddr{value & ~3ull});
      return {};
    }
    constexpr std::uint64_t kFirstNode = 4096;  // xa_is_node(): below are marks
    return value > kFirstNode ? node(VirtAddr{value - 2}, index, above) : std::string();
  }

 private:
  // `above`: the shift of the node that led here. It falls from node to node, so there is no cycle;
  // many slots may still lead to one node.
  std::string node(VirtAddr at, std::uint64_t index, unsigned above) {
    if (nodes_left_ == 0) return too_many(limit_);
    --nodes_left_;
    const auto shift = fields_.value(at, "xa_node.shift");
    const auto slots = fields_.member("xa_node.slots");
    if (!shift || !slots) return fmt::format("its node at {} cannot be read", at);
    if (*shift > kMaxShift || *shift >= above) {
      return fmt::format("its node at {} is no node of it", at);
    }
    const auto count = slots->elements.value_or(kMaxSlots);
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, kMaxSlots); ++i) {
      const VirtAddr slot = at + slots->offset + i * sizeof(std::uint64_t);
      const auto value = fields_.kernel().memory().load<std::uint64_t>(slot);
      if (!value) return unreadable(slot, value.error());
      auto broken = entry(*value, index + (i << *shift), static_cast<unsigned>(*shift));
      if (!broken.empty()) return broken;
    }
    return {};
  }

  const FieldReader& fields_;
  const VisitEntry& visit_;
  std::size_t left_, nodes_left_, limit_;
};

}  // namespace

std::string walk_list(const VirtMemory& memory, VirtAddr head, std::uint64_t link,
                      const VisitObject& visit, std::size_t limit) {
  std::unordered_set<std::uint64_t> seen;
  VirtAddr at = head;
  for (;;) {
    const auto next = memory.load<std::uint64_t>(at);
    if (!next) return unreadable(at, next.error());
    if (*next == raw(head)) return {};
    if (*next == 0) return fmt::format("{} leads to NULL", at);
    if (!seen.insert(*next).second) return fmt::format("it runs in a circle from {} on", at);
    if (seen.size() > limit) return too_many(limit);
    at = VirtAddr{*next};
    visit(at - link);
  }
}

std::string walk_rbtree(const FieldReader& fields, VirtAddr root, std::uint64_t link,
                        const VisitObject& visit, std::size_t limit) {
  std::vector<VirtAddr> path;  // nodes whose left side is done or being done
  std::unordered_set<std::uint64_t> seen;
  auto at = fields.value(root, "rb_root.rb_node");
  if (!at) return fmt::format("its root at {} cannot be read", root);
  while (*at != 0 || !path.empty()) {
    while (*at != 0) {
      const VirtAddr node{*at};
      if (!seen.insert(*at).second) return fmt::format("it runs in a circle at {}", node);
      if (seen.size() > limit) return too_many(limit);
      if (path.size() >= kMaxTreeDepth) return fmt::format("it is too deep at {}", node);
      path.push_back(node);
      at = fields.value(node, "rb_node.rb_left");
      if (!at) return fmt::format("its node at {} cannot be read", node);
    }
    const VirtAddr node = path.back();
    path.pop_back();
    visit(node - link);
    at = fields.value(node, "rb_node.rb_right");
    if (!at) return fmt::format("its node at {} cannot be read", node);
  }
  return {};
}

std::string walk_xarray(const FieldReader& fields, VirtAddr root, const VisitEntry& visit,
                        std::size_t limit) {
  // Renamed by f8d5d0cc145c (v4.20).
  const auto head = fields.first_value(root, "xarray.xa_head", "radix_tree_root.rnode");
  if (!head) return fmt::format("its root at {} cannot be read", root);
  return XarrayWalk(fields, visit, limit).entry(*head, 0, kMaxShift + 1);
}

}  // namespace rig::analyzer
