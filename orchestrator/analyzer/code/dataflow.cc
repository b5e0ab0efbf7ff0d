// SPDX-License-Identifier: Apache-2.0
#include "analyzer/code/dataflow.h"

#include <algorithm>

#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {

using Kind = Operation::Kind;

constexpr std::size_t kMaxSteps = 100'000;

std::uint64_t lower(std::uint64_t value, unsigned bytes) {
  return bytes >= 8 ? value : value & ((std::uint64_t{1} << bytes * 8) - 1);
}

std::uint64_t sign_extended(std::uint64_t value, unsigned bytes) {
  if (bytes >= 8) return value;
  const std::uint64_t sign = std::uint64_t{1} << (bytes * 8 - 1);
  return (lower(value, bytes) ^ sign) - sign;
}

std::uint64_t index_value(const AddressForm& form, std::uint64_t index) {
  return form.index_signed ? sign_extended(index, form.index_bytes)
                           : lower(index, form.index_bytes);
}

// Takes over what the way says about the tested register. False: nobody can have come this way.
bool came_by(const Operation& branch, bool taken, Known& known) {
  if (branch.kind != Kind::kBranch || !branch.test) return true;
  const BranchTest& test = *branch.test;
  const bool zero = test.zero_taken == taken;
  if (const auto value = known.get(test.reg)) return ((*value & test.mask) == 0) == zero;
  if (zero && test.mask == ~std::uint64_t{0}) known.set(test.reg, 0);
  return true;
}

// One backwards walk: what is known before each operation that it came to.
class Walk {
 public:
  explicit Walk(std::size_t operations) : slots_(operations, kNone) {}

  // True: there is news for this operation.
  bool merge(std::uint32_t index, const Known& known) {
    if (slots_[index] == kNone) {
      slots_[index] = static_cast<std::uint32_t>(states_.size());
      states_.push_back(known);
      return true;
    }
    return states_[slots_[index]].keep_common(known);
  }
  const Known& at(std::uint32_t index) const { return states_[slots_[index]]; }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  std::vector<std::uint32_t> slots_;
  std::vector<Known> states_;
};

}  // namespace

bool Known::keep_common(const Known& other) {
  RegisterSet common = mask_ & other.mask_;
  for (Register reg = 0; reg < kMaxRegisters; ++reg) {
    if ((common & set_of(reg)) != 0 && values_[reg] != other.values_[reg]) common &= ~set_of(reg);
  }
  return std::exchange(mask_, common) != common;
}

std::optional<std::uint64_t> value_of(const AddressForm& form, const Known& known) {
  auto value = static_cast<std::uint64_t>(form.displacement);
  if (form.base != kNoRegister) {
    const auto base = known.get(form.base);
    if (!base) return std::nullopt;
    value += *base;
  }
  if (form.index != kNoRegister) {
    const auto index = known.get(form.index);
    if (!index) return std::nullopt;
    value += index_value(form, *index) * form.scale;
  }
  return value;
}

std::optional<std::uint64_t> stored_at(const Operation& store, const Known& after,
                                       const InstructionSet& set) {
  if (store.kind == Kind::kPush) return after.get(set.stack);
  if (store.moved_base == kNoRegister) return value_of(store.memory, after);
  const auto base = after.get(store.moved_base);
  if (!base) return std::nullopt;
  const bool moved_before = store.memory.displacement != 0;
  return moved_before ? *base : *base - static_cast<std::uint64_t>(store.moved_by);
}

std::uint64_t extended(const Operation& each, std::uint64_t value) {
  if (!each.is_signed) return lower(value, each.bytes);
  return lower(sign_extended(value, each.bytes), each.to_bytes);
}

// to = base + index * scale + displacement, solved for a register that is not known.
void Dataflow::undo_sum(const Operation& each, const Known& after, Known& before) const {
  const AddressForm& form = each.memory;
  const auto sum = after.get(each.to);
  if (!sum || form.per_cpu) return;
  const std::uint64_t rest = *sum - static_cast<std::uint64_t>(form.displacement);
  if (form.index == kNoRegister) {
    if (!before.has(form.base)) before.set(form.base, rest);
    return;
  }
  const auto index = before.get(form.index), base = before.get(form.base);
  if (form.base == kNoRegister || form.base == form.index) return;
  if (index && !base) before.set(form.base, rest - index_value(form, *index) * form.scale);
  if (base && !index && form.scale == 1 && form.index_bytes == 8) {
    before.set(form.index, rest - *base);
  }
}

// What was put onto the stack still lies there: a pushed register, and one that a function saves
// because it is its caller's.
void Dataflow::undo_save(const Operation& each, const Known& after, Known& before) const {
  const auto at = stored_at(each, after, set_);
  if (!at || each.bytes != kWord || VirtAddr{*at} < floor_) return;
  const bool on_stack = each.kind == Kind::kPush || each.memory.base == set_.stack;
  if (!on_stack || each.memory.index != kNoRegister) return;
  const bool alone =
      each.kind == Kind::kPush || each.moved_base != kNoRegister || function_.stores_alone(each);
  const RegisterSet saved = set_.saved | set_of(set_.link);
  const auto restore = [&](Register reg, std::uint64_t from) {
    if (reg == kNoRegister || before.has(reg) || (saved & set_of(reg)) == 0) return;
    if (const auto value = memory_.load<std::uint64_t>(VirtAddr{from})) before.set(reg, *value);
  };
  if (!alone) return;
  restore(each.from, *at);
  restore(each.from2, *at + kWord);
}

Known Dataflow::undo(const Operation& each, const Known& after) const {
  Known before = after;
  before.forget(each.kind == Kind::kUnknown ? ~RegisterSet{0} : each.writes);
  const auto result = after.get(each.to);
  switch (each.kind) {
    case Kind::kMove:
      if (result && each.bytes == 8 && !before.has(each.from)) before.set(each.from, *result);
      break;
    case Kind::kSum:
      undo_sum(each, after, before);
      break;
    case Kind::kPush:
    case Kind::kPop:
      if (const auto sp = after.get(set_.stack); sp && each.to != set_.stack) {
        before.set(set_.stack, each.kind == Kind::kPush ? *sp + kWord : *sp - kWord);
      }
      break;
    default:
      break;
  }
  if (each.moved_base != kNoRegister && each.moved_base != each.to && each.moved_base != each.to2) {
    if (const auto base = after.get(each.moved_base)) {
      before.set(each.moved_base, *base - static_cast<std::uint64_t>(each.moved_by));
    }
  }
  if (each.kind == Kind::kPush || each.kind == Kind::kStore) undo_save(each, after, before);
  return before;
}

Dataflow::Effect Dataflow::effect(const Operation& each, const Known& after, Location where) const {
  if (each.kind == Kind::kUnknown) return Effect::kSets;
  if (where.reg != kNoRegister) {
    return (each.writes & set_of(where.reg)) != 0 ? Effect::kSets : Effect::kNone;
  }
  if (!each.writes_memory() && each.kind != Kind::kPush) return Effect::kNone;
  const auto at = stored_at(each, after, set_);
  // What goes through other pointers does not lead into this function's own frame.
  if (!at) return each.memory.base == set_.stack ? Effect::kMaybe : Effect::kNone;
  const std::uint64_t size = each.bytes * (each.from2 != kNoRegister ? 2u : 1u);
  return *at < raw(where.slot) + kWord && raw(where.slot) < *at + size ? Effect::kSets
                                                                       : Effect::kNone;
}

Reaching Dataflow::reaching(std::uint32_t at, const Known& known, Location where) const {
  Reaching found;
  Walk walk(function_.operations().size());
  std::vector<std::uint32_t> todo;
  const auto merge_into = [&](std::uint32_t index, const Known& behind) {
    const auto same = std::ranges::find(found.all, index, &Definition::at);
    if (same == found.all.end()) {
      found.all.push_back({index, {}, behind});
    } else {
      (void)same->after.keep_common(behind);
    }
  };
  const auto go_back = [&](std::uint32_t index, const Known& before) {
    if (index == 0) merge_into(Definition::kEntry, before);
    for (const Edge& edge : function_.edges_to(index)) {
      const Operation& from = function_[edge.from];
      Known after = before;
      if (!came_by(from, edge.taken, after)) continue;
      const Effect does = effect(from, after, where);
      if (does == Effect::kMaybe) found.complete = false;
      if (does == Effect::kSets) {
        merge_into(edge.from, after);
      } else if (walk.merge(edge.from, undo(from, after))) {
        todo.push_back(edge.from);
      }
    }
  };
  go_back(at, known);
  for (std::size_t steps = 0; !todo.empty(); ++steps) {
    if (steps == kMaxSteps) {
      found.complete = false;
      break;
    }
    const std::uint32_t index = todo.back();
    todo.pop_back();
    go_back(index, Known(walk.at(index)));
  }
  for (Definition& each : found.all) {
    each.before = each.at == Definition::kEntry ? each.after : undo(function_[each.at], each.after);
  }
  return found;
}

}  // namespace rig::analyzer
