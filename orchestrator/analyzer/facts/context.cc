// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/context.h"

namespace rig::analyzer {
namespace {

// From the lowest bit on: how often preemption is disabled, softirqs, hardirqs, NMIs. The highest
// bit says on x86 that no rescheduling is due.
constexpr unsigned kSoftirqShift = 8;
constexpr unsigned kHardirqShift = 16;
constexpr unsigned kNmiShift = 20;
constexpr std::uint32_t kServingSoftirq = 1 << kSoftirqShift;  // disabling them counts by two

constexpr std::uint64_t kEflagsIf = 1 << 9;
constexpr std::uint64_t kPstateI = 1 << 7;

std::optional<std::uint32_t> preempt_count(const Kernel& kernel, unsigned cpu,
                                           std::optional<VirtAddr> task) {
  // x86: c2daa3bed53a (v3.13) made it per-CPU; from v6.2 to v6.14 it lived in struct pcpu_hot.
  if (const auto at = kernel.per_cpu(cpu, "__preempt_count")) {
    const auto value = kernel.memory().load<std::uint32_t>(*at);
    return value ? std::optional(*value) : std::nullopt;
  }
  std::optional<std::uint64_t> value;
  if (const auto hot = kernel.per_cpu(cpu, "pcpu_hot")) {
    value = kernel.field(*hot, "pcpu_hot.preempt_count");
  }
  // Elsewhere in the task's thread_info; arm64 has the count and the flag "reschedule" side by side
  // in one 64-bit word.
  for (const std::string_view member :
       {"task_struct.thread_info.preempt.count", "task_struct.thread_info.preempt_count"}) {
    if (!value && task) value = kernel.field(*task, member);
  }
  return value ? std::optional(static_cast<std::uint32_t>(*value)) : std::nullopt;
}

}  // namespace

ContextFacts decode_context(std::uint32_t count) {
  ContextFacts facts;
  facts.preempt_count = count;
  facts.preempt = count & 0xff;
  facts.softirq = count >> kSoftirqShift & 0xff;
  facts.hardirq = count >> kHardirqShift & 0xf;
  facts.nmi = count >> kNmiShift & 0xf;
  facts.serving_softirq = (count & kServingSoftirq) != 0;
  facts.words = facts.nmi != 0          ? "NMI"
                : facts.hardirq != 0    ? "hardirq"
                : facts.serving_softirq ? "softirq"
                                        : "task";
  return facts;
}

std::optional<bool> irqs_off(std::span<const RegisterValue> registers) {
  if (const auto flags = register_value(registers, "EFLAGS")) return (*flags & kEflagsIf) == 0;
  if (const auto state = register_value(registers, "pstate")) return (*state & kPstateI) != 0;
  return std::nullopt;
}

std::optional<ContextFacts> read_context(const Kernel& kernel, unsigned cpu,
                                         std::optional<VirtAddr> task,
                                         std::span<const RegisterValue> registers) {
  const auto count = preempt_count(kernel, cpu, task);
  if (!count) return std::nullopt;
  ContextFacts facts = decode_context(*count);
  facts.irqs_off = irqs_off(registers);
  return facts;
}

}  // namespace rig::analyzer
