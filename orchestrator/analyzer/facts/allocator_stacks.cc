// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/allocator_stacks.h"

#include <algorithm>

#include "analyzer/core/limits.h"
#include "analyzer/facts/session.h"
#include "oops/reporting_functions.h"

namespace rig::analyzer {
namespace {

// Functions of mm/slub.c and mm/slab_common.c: what callers call, and what stands alone when the
// compiler inlined nothing into it or nobody called it (work and RCU callbacks). A name that ends
// in '*' stands for all that begin so.
constexpr std::string_view kFunctions[] = {"kmem_cache_*",
                                           "__kmem_cache_*",
                                           "kmalloc*",
                                           "__kmalloc*",
                                           "kfree",
                                           "kfree_bulk",
                                           "krealloc",
                                           "___cache_free",
                                           "___slab_alloc",
                                           "__slab_alloc",
                                           "__slab_free",
                                           "slab_free*",
                                           "allocate_slab",
                                           "new_slab",
                                           "shuffle_freelist",
                                           "setup_object",
                                           "init_object",
                                           "deactivate_slab",
                                           "alloc_debug_processing",
                                           "free_debug_processing",
                                           "alloc_single_*",
                                           "get_partial*",
                                           "get_any_partial",
                                           "put_cpu_partial",
                                           "free_to_partial_list",
                                           "unfreeze_partials*",
                                           "__unfreeze_partials",
                                           "flush_cpu_slab",
                                           "slub_cpu_dead",
                                           "discard_slab",
                                           "free_slab",
                                           "__free_slab",
                                           "rcu_free_slab"};

bool is_allocator(std::string_view function) {
  function = function.substr(0, function.find('.'));  // what the compiler adds: ".isra.0"
  return std::ranges::any_of(kFunctions, [&](std::string_view name) {
    if (!name.ends_with('*')) return function == name;
    return function.starts_with(name.substr(0, name.size() - 1));
  });
}

void add_registers(const std::vector<RegisterValue>& registers, AllocatorWork& work) {
  for (const RegisterValue& each : registers) work.words.push_back(each.value);
}

// Each stack that frames were found on, from the innermost of them up.
void add_stacks(const VirtMemory& memory, const Backtrace& trace,
                std::span<const StackRange> stacks, AllocatorWork& work) {
  for (const StackRange& stack : stacks) {
    std::optional<VirtAddr> from;
    for (const BacktraceFrame& frame : trace.frames) {
      if (!stack.contains(frame.sp)) continue;
      from = from ? std::min(*from, frame.sp) : frame.sp;
    }
    if (!from) continue;
    const auto bytes = memory.read_up_to(*from, std::min(stack.end() - *from, kMaxStackBytes));
    for (std::uint64_t at = 0; at + 8 <= bytes.size(); at += 8) {
      work.words.push_back(load<std::uint64_t>(bytes, at).value_or(0));
    }
  }
}

// arm64: a function that was interrupted before its frame was there, or calls nothing, is on no
// stack, but its caller is where the link register leads.
bool returns_to_allocator(const Kernel& kernel, const CpuState& state) {
  const auto link = register_value(state.registers, "x30");
  const auto at = link && !state.user_mode ? kernel.code(VirtAddr{*link}) : std::nullopt;
  return at && is_allocator(at->function);
}

}  // namespace

bool is_in_allocator(const Backtrace& trace) {
  bool reporting = false;
  for (const BacktraceFrame& frame : trace.frames) {
    // Here the frame was interrupted: what the handler then did, reports too, is another matter.
    if (!frame.exception.empty()) reporting = false;
    if (oops::find_reporting_function(frame.at.function) != nullptr) reporting = true;
    if (!reporting && is_allocator(frame.at.function)) return true;
  }
  return false;
}

std::vector<AllocatorWork> find_allocator_work(Session& session) {
  std::vector<AllocatorWork> all;
  const auto kernel = session.kernel();
  if (!kernel) return all;
  for (const CpuSnapshot& cpu : session.cpus()) {
    const Backtrace trace = session.backtrace(cpu);
    const bool reporting = std::ranges::any_of(trace.frames, [](const BacktraceFrame& frame) {
      return oops::find_reporting_function(frame.at.function) != nullptr;
    });
    if (!is_in_allocator(trace) && (reporting || !returns_to_allocator(**kernel, cpu.state))) {
      continue;
    }
    AllocatorWork work{fmt::format("CPU {}", cpu.number), {}};
    add_registers(cpu.state.registers, work);
    for (const BacktraceFrame& frame : trace.frames) add_registers(frame.registers, work);
    add_stacks((*kernel)->memory(), trace, cpu.stacks, work);
    all.push_back(std::move(work));
  }
  for (const Task& task : session.tasks()) {
    if (session.cpu_of(task.at) || task.stack.size == 0) continue;
    const Backtrace trace = session.backtrace(task);
    if (!is_in_allocator(trace)) continue;
    AllocatorWork work{fmt::format("task {} ({})", task.pid.value_or(0), task.comm), {}};
    add_stacks((*kernel)->memory(), trace, std::span(&task.stack, 1), work);
    all.push_back(std::move(work));
  }
  return all;
}

}  // namespace rig::analyzer
