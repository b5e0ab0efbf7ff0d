// SPDX-License-Identifier: Apache-2.0
#include "analyzer/code/function.h"

#include <algorithm>

namespace rig::analyzer {
namespace {

using Kind = Operation::Kind;

constexpr std::uint64_t kMaxBytes = 64 << 10;
constexpr std::uint32_t kMaxBeforeBranch = 4;  // from a comparison to the branch that it decides

struct Bounds {
  VirtAddr begin{}, end{};
  const Module* module = nullptr;
  std::string name;
};

std::optional<Bounds> bounds_of(const Kernel& kernel, VirtAddr address) {
  auto code = kernel.code(address);
  if (!code || code->function.empty()) return std::nullopt;
  Bounds found{address - code->offset, address + kMaxBytes, nullptr, std::move(code->function)};
  if (code->module.empty()) {
    const auto after = kernel.symbols() ? kernel.symbols()->next_after(address) : std::nullopt;
    if (after) found.end = *after;
  } else if (const Module* module = kernel.modules()->containing(address)) {
    found.module = module;
    const ModuleRange* range = module->range_of(address);
    found.end = range->begin + range->size;
    for (const ModuleSymbol& each : kernel.modules()->symbols(*module)) {
      if (VirtAddr{each.address} <= address) continue;
      found.end = std::min(found.end, VirtAddr{each.address});
      break;
    }
  }
  if (found.end - found.begin > kMaxBytes) return std::nullopt;
  return found;
}

// Does the first instruction call into a tracer, which leaves all registers as they are?
bool is_traced_entry(const Kernel& kernel, const Operation& call) {
  const auto to = call.target ? kernel.code(*call.target) : std::nullopt;
  return !to || to->function.starts_with("ftrace") || to->function == "__fentry__";
}

}  // namespace

std::optional<Function> Function::read(const Kernel& kernel, Decoder& decoder, VirtAddr address) {
  auto bounds = bounds_of(kernel, address);
  if (!bounds) return std::nullopt;
  const std::uint64_t size = bounds->end - bounds->begin;
  const auto code = kernel.memory().read_up_to(bounds->begin, size);
  if (address - bounds->begin >= code.size()) return std::nullopt;
  std::optional<Function> function(std::in_place, std::move(bounds->name), bounds->begin, code,
                                   decoder);
  function->module_ = bounds->module;
  for (std::size_t i = 0; i < std::min<std::size_t>(function->operations_.size(), 2); ++i) {
    Operation& each = function->operations_[i];
    if (each.kind == Kind::kCall && is_traced_entry(kernel, each)) {
      each.kind = Kind::kOther;
      each.writes = 0;
    }
  }
  return function;
}

Function::Function(std::string name, VirtAddr begin, ByteView code, Decoder& decoder)
    : name_(std::move(name)), begin_(begin) {
  for (std::size_t at = 0; at < code.size();) {
    operations_.push_back(decoder.decode(code.subspan(at), begin + at));
    at += std::max<std::size_t>(operations_.back().size, 1);
  }
  connect();
  take_over_tests();
}

std::optional<std::uint32_t> Function::at(VirtAddr address) const {
  const auto found = std::ranges::lower_bound(operations_, address, {}, &Operation::at);
  if (found == operations_.end() || found->at != address) return std::nullopt;
  return static_cast<std::uint32_t>(found - operations_.begin());
}

std::optional<std::uint32_t> Function::ending_at(VirtAddr address) const {
  const auto behind = std::ranges::lower_bound(operations_, address, {}, &Operation::at);
  if (behind == operations_.begin()) return std::nullopt;
  const auto found = behind - 1;
  if (found->at + found->size != address) return std::nullopt;
  return static_cast<std::uint32_t>(found - operations_.begin());
}

std::span<const Edge> Function::edges_to(std::uint32_t index) const {
  return std::span(edges_).subspan(first_edge_[index], first_edge_[index + 1] - first_edge_[index]);
}

bool Function::stores_alone(const Operation& store) const {
  return std::ranges::none_of(operations_, [&](const Operation& each) {
    if (!each.writes_memory() || each.at == store.at) return false;
    if (each.memory.base != store.memory.base) return false;
    const auto distance = each.memory.displacement - store.memory.displacement;
    return distance > -32 && distance < 32 &&
           (distance < 0 ? -distance < each.bytes * (each.from2 != kNoRegister ? 2 : 1)
                         : distance < store.bytes * (store.from2 != kNoRegister ? 2 : 1));
  });
}

// A jump to an address in a register leads to what nothing else leads to: the cases of a switch.
void Function::connect() {
  struct Way {
    std::uint32_t to;
    Edge edge;
  };
  std::vector<Way> ways;
  std::vector<bool> reached(operations_.size());
  std::vector<std::uint32_t> indirect;
  for (std::uint32_t i = 0; i < operations_.size(); ++i) {
    const Operation& each = operations_[i];
    if (each.falls_through() && i + 1 < operations_.size()) ways.push_back({i + 1, {i, false}});
    if (each.kind == Kind::kJump && !each.target) indirect.push_back(i);
    if ((each.kind != Kind::kJump && each.kind != Kind::kBranch) || !each.target) continue;
    if (const auto to = at(*each.target)) ways.push_back({*to, {i, true}});
  }
  for (const Way& each : ways) reached[each.to] = true;
  for (std::uint32_t i = 1; i < operations_.size() && !indirect.empty(); ++i) {
    if (reached[i]) continue;
    for (const std::uint32_t from : indirect) {
      if (ways.size() < 4 * operations_.size()) ways.push_back({i, {from, true}});
    }
  }
  std::ranges::stable_sort(ways, {}, &Way::to);
  first_edge_.assign(operations_.size() + 1, 0);
  for (const Way& each : ways) {
    ++first_edge_[each.to + 1];
    edges_.push_back(each.edge);
  }
  for (std::size_t i = 1; i < first_edge_.size(); ++i) first_edge_[i] += first_edge_[i - 1];
}

// x86: a branch gets the comparison before it, where no other way leads in between.
void Function::take_over_tests() {
  for (std::uint32_t i = 0; i < operations_.size(); ++i) {
    Operation& branch = operations_[i];
    if (branch.kind != Kind::kBranch || !branch.test || branch.test->reg != kNoRegister) continue;
    const bool zero_taken = branch.test->zero_taken;
    branch.test.reset();
    RegisterSet written = 0;
    for (std::uint32_t back = 1; back <= std::min(i, kMaxBeforeBranch); ++back) {
      if (edges_to(i - back + 1).size() != 1) break;
      const Operation& before = operations_[i - back];
      if (before.test && before.kind == Kind::kOther) {
        if ((written & set_of(before.test->reg)) != 0) break;
        branch.test = BranchTest{before.test->reg, before.test->mask, zero_taken};
        break;
      }
      if (before.sets_flags || before.kind == Kind::kCall) break;
      written |= before.writes;
    }
  }
}

}  // namespace rig::analyzer
