// SPDX-License-Identifier: Apache-2.0
// Addresses of the user's half: whose memory that is among the tasks that were running.
#include <algorithm>

#include "analyzer/facts/address.h"
#include "analyzer/facts/paths.h"
#include "analyzer/facts/percpu.h"
#include "analyzer/facts/vma_lookup.h"

namespace rig::analyzer {
namespace {

// include/linux/mm.h: VM_READ, VM_WRITE, VM_EXEC, VM_SHARED.
std::string permissions(std::uint64_t flags) {
  std::string text = "---p";
  if ((flags & 1) != 0) text[0] = 'r';
  if ((flags & 2) != 0) text[1] = 'w';
  if ((flags & 4) != 0) text[2] = 'x';
  if ((flags & 8) != 0) text[3] = 's';
  return text;
}

// What is mapped, as /proc/PID/maps has it: a path, or "[heap]", "[stack]", "[vdso]"; empty:
// anonymous memory.
std::string mapped(const PathReader& paths, VirtAddr mm, const VmaHit& vma, VirtAddr address) {
  const FieldReader& fields = paths.fields();
  if (const auto file = fields.pointer(vma.at, "vm_area_struct.vm_file")) {
    const auto place = fields.place(*file, "file.f_path");
    const auto path = place ? paths.path_at(*place) : std::nullopt;
    const auto page = fields.value(vma.at, "vm_area_struct.vm_pgoff").value_or(0);
    constexpr std::uint64_t kPage = 4096;
    return fmt::format("{} at {:#x} of the file", path ? paths.name(*path) : "<unreadable>",
                       page * kPage + (address - vma.begin));
  }
  const auto value = [&](std::string_view path) { return fields.value(mm, path).value_or(0); };
  if (raw(vma.begin) <= value("mm_struct.brk") && raw(vma.end) > value("mm_struct.start_brk") &&
      value("mm_struct.start_brk") != 0) {
    return "[heap]";
  }
  const auto stack = value("mm_struct.start_stack");
  if (stack >= raw(vma.begin) && stack < raw(vma.end)) return "[stack]";
  if (value("mm_struct.context.vdso") == raw(vma.begin)) return "[vdso]";
  return {};
}

struct UserPlace {
  std::string words;
  bool mapped = false;
  VirtAddr vma{};
};

UserPlace place_in(const PathReader& paths, VirtAddr mm, VirtAddr address) {
  const FieldReader& fields = paths.fields();
  std::string why;
  const auto vma = find_vma(fields, mm, address, why);
  if (!vma) return {why.empty() ? "nothing is mapped there" : why, false, {}};
  // Behind a union since bc292ab00f6c (v6.3).
  auto flags = fields.value(vma->at, "vm_area_struct.vm_flags");
  if (!flags) flags = fields.value(vma->at, "vm_area_struct.__vm_flags");
  std::string what = mapped(paths, mm, *vma, address);
  if (what.empty()) what = "anonymous memory";
  return {fmt::format("{:x}-{:x} {} {}", raw(vma->begin), raw(vma->end),
                      permissions(flags.value_or(0)), what),
          true, vma->at};
}

// The CPUs' current tasks, the one that panicked first.
std::vector<const CpuSnapshot*> in_order(Session& session) {
  std::vector<const CpuSnapshot*> all;
  for (const CpuSnapshot& cpu : session.cpus()) all.push_back(&cpu);
  const CpuSnapshot* first = session.panic_cpu();
  std::stable_partition(all.begin(), all.end(),
                        [&](const CpuSnapshot* cpu) { return cpu == first; });
  return all;
}

}  // namespace

std::optional<AddressFacts> address_of_user(Inquiry& inquiry) {
  if (!inquiry.region.words.starts_with("a user address")) return std::nullopt;
  const PathReader paths(inquiry.kernel);
  AddressFacts facts = known_address(inquiry, "user", inquiry.region.words);
  facts.known = false;
  std::vector<VirtAddr> seen;
  for (const CpuSnapshot* cpu : in_order(inquiry.session)) {
    if (!cpu->task) continue;
    const auto mm = inquiry.fields.pointer(cpu->task->at, "task_struct.mm");
    if (!mm || std::ranges::find(seen, *mm) != seen.end()) continue;
    seen.push_back(*mm);
    const UserPlace place = place_in(paths, *mm, inquiry.address);
    const std::string who = fmt::format("{} (PID {}) on CPU {}", cpu->task->comm,
                                        cpu->task->pid.value_or(0), cpu->number);
    if (place.mapped && !facts.known) {
      facts.known = true;
      facts.words = fmt::format("user memory of {}: {}", who, place.words);
      add_detail(facts, "vm_area_struct", fmt::format("{}", place.vma));
    } else {
      add_detail(facts, fmt::format("in {}", who), place.words);
    }
  }
  if (seen.empty()) {
    add_detail(facts, "why", "no task that was running has user memory: all are the kernel's own");
  }
  // A pointer of alloc_percpu(), or the offset of a static variable, looks like one of the user's.
  PerCpu per_cpu(inquiry.kernel, static_cast<unsigned>(inquiry.session.cpus().size()),
                 inquiry.layout.page_size);
  if (const auto place = per_cpu.place(inquiry.address); place && place->allocated) {
    add_detail(facts, "or a per-CPU pointer", place->words);
  }
  return facts;
}

}  // namespace rig::analyzer
