// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/stack_depot.h"

#include <array>

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxFrames = 256;  // twice what CONFIG_STACKDEPOT_MAX_FRAMES may be is 512
constexpr unsigned kAlign = 4;             // STACK_ALLOC_ALIGN, DEPOT_STACK_ALIGN
constexpr std::uint64_t kEndOfOldStacks =
    ~0ull;  // ULONG_MAX, until 4a44f3ad1ba2 and its like (v5.2)

std::uint64_t part(const std::optional<Member>& member, std::uint32_t handle) {
  if (!member) return 0;
  return extract(*member, std::as_bytes(std::span(&handle, 1))).value_or(0);
}

}  // namespace

CodeLocation return_address(const Kernel& kernel, VirtAddr address) {
  auto found = kernel.code(address - 1);
  if (!found) return {address, {}, 0, {}};
  found->address = address;
  ++found->offset;
  return *std::move(found);
}

StackDepot::StackDepot(const Kernel& kernel)
    : kernel_(&kernel),
      offset_(kernel.member("handle_parts.offset")),
      extra_(kernel.member("handle_parts.extra")),
      size_(kernel.member("stack_record.size")),
      own_handle_(kernel.member("stack_record.handle")),
      entries_(kernel.member("stack_record.entries")) {
  // Pools were called slabs until v6.3; a6c1d9cb9a68 (v6.10) counts them from 1 on.
  struct Name {
    std::string_view member, variable;
    std::uint64_t first;
  };
  constexpr Name kNames[] = {{"handle_parts.slabindex", "stack_slabs", 0},
                             {"handle_parts.pool_index", "stack_pools", 0},
                             {"handle_parts.pool_index_plus_1", "stack_pools", 1}};
  for (const Name& each : kNames) {
    index_ = kernel.member(each.member);
    if (!index_) continue;
    pools_ = kernel.symbol(each.variable);
    first_index_ = each.first;
    return;
  }
}

std::vector<CodeLocation> StackDepot::record(VirtAddr at, std::uint32_t handle) const {
  const VirtMemory& memory = kernel_->memory();
  const auto own = memory.load<std::uint32_t>(at + own_handle_->offset);
  const auto size = memory.load<std::uint32_t>(at + size_->offset);
  if (own != handle || !size || *size == 0 || *size > kMaxFrames) return {};
  std::vector<std::uint64_t> entries(*size);
  if (!memory.read(at + entries_->offset, std::as_writable_bytes(std::span(entries)))) return {};
  std::vector<CodeLocation> stack;
  for (const std::uint64_t each : entries) {
    if (each == kEndOfOldStacks || each == 0) break;
    stack.push_back(return_address(*kernel_, VirtAddr{each}));
  }
  return stack;
}

std::vector<CodeLocation> StackDepot::stack(std::uint32_t handle) const {
  if (handle == 0 || !pools_ || !index_ || !offset_ || !size_ || !own_handle_ || !entries_)
    return {};
  // What its user put into the extra bits is not in the record.
  if (extra_ && extra_->bit_size != 0 && extra_->bit_size < 32) {
    const unsigned first = static_cast<unsigned>(extra_->offset * 8) + extra_->bit_offset;
    handle &= ~(((1u << extra_->bit_size) - 1) << (first % 32));
  }
  const auto index = part(index_, handle);
  if (index < first_index_) return {};
  const auto in_array = (index - first_index_) * sizeof(std::uint64_t);
  const auto in_pool = part(offset_, handle) << kAlign;
  // Since v6.13 the array itself is allocated.
  const auto elsewhere = kernel_->memory().load<std::uint64_t>(*pools_);
  for (const VirtAddr array : {*pools_, VirtAddr{elsewhere.value_or(0)}}) {
    if (raw(array) == 0) continue;
    const auto pool = kernel_->memory().load<std::uint64_t>(array + in_array);
    if (!pool || *pool == 0) continue;
    if (auto stack = record(VirtAddr{*pool} + in_pool, handle); !stack.empty()) return stack;
  }
  return {};
}

}  // namespace rig::analyzer
