// SPDX-License-Identifier: Apache-2.0
#include "analyzer/analyzer.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "analyzer/arch/architecture.h"
#include "analyzer/facts/cpus.h"
#include "analyzer/facts/exception.h"
#include "analyzer/facts/log.h"
#include "analyzer/facts/pointers.h"
#include "base/deadline.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxBanner = 1024;

CoreFacts describe_core(const fs::path& path, const Core& core) {
  CoreFacts facts;
  facts.path = path.string();
  facts.format = core.format();
  facts.arch = core.arch();
  std::error_code ignored;
  const auto size = fs::file_size(path, ignored);
  if (!ignored) facts.file_bytes = size;
  for (const PhysRange& range : core.memory().ranges()) facts.memory_bytes += range.size;
  facts.vmcoreinfo = !core.vmcoreinfo()           ? "absent"
                     : core.vmcoreinfo_searched() ? "searched"
                                                  : "note";
  if (!core.vmcoreinfo()) return facts;
  const Vmcoreinfo& info = *core.vmcoreinfo();
  facts.release = info.value("OSRELEASE").value_or("");
  facts.build_id = info.value("BUILD-ID").value_or("");
  // Hexadecimal without 0x, unlike the NUMBER() lines.
  if (const auto text = info.value("KERNELOFFSET")) {
    std::uint64_t offset = 0;
    const auto end = text->data() + text->size();
    if (std::from_chars(text->data(), end, offset, 16).ptr == end) facts.kaslr_offset = offset;
  }
  return facts;
}

void take_log(const VirtMemory& memory, const Vmcoreinfo& info, Findings& findings) {
  // A page of zeros takes 24 bytes of a kdump file: what is more than this many times the file is
  // claimed, not there.
  constexpr std::uint64_t kMemoryPerFileByte = 256;
  const CoreFacts& core = findings.core;
  const auto there = std::min(core.memory_bytes, core.file_bytes * kMemoryPerFileByte);
  auto log = read_log(memory, info, there);
  if (!log) {
    findings.remarks.push_back("no log: " + log.error().message());
    return;
  }
  findings.log = std::move(log->text);
  if (log->missing != 0) {
    findings.remarks.push_back(
        fmt::format("log: {} bytes of its buffer are not in the core", log->missing));
  }
  if (log->broken != 0) {
    findings.remarks.push_back(
        fmt::format("log: {} of {} records are broken", log->broken, log->broken + log->records));
  }
  if (log->overfull) {
    findings.remarks.push_back(fmt::format(
        "log: its records hold more text than their buffer; what comes after the first {} is left "
        "out",
        human_bytes(findings.log.size())));
  }
  if (log->unfinished != 0) {
    findings.remarks.push_back(fmt::format(
        "log: {} records were being written when the machine stopped", log->unfinished));
  }
}

// "Fatal exception in interrupt", as panic() printed it.
std::optional<std::string> panic_message(std::string_view log) {
  constexpr std::string_view kMark = "Kernel panic - not syncing: ";
  const auto at = log.find(kMark);
  if (at == std::string_view::npos) return std::nullopt;
  log.remove_prefix(at + kMark.size());
  return std::string(log.substr(0, log.find('\n')));
}

// The stacks that an address may lie on: those of the CPUs, then those of all tasks.
std::vector<StackRange> all_stacks(const Kernel& kernel, const Architecture& arch,
                                   std::span<const CpuSnapshot> cpus,
                                   std::vector<std::string>& remarks) {
  std::vector<StackRange> stacks;
  for (const CpuSnapshot& cpu : cpus) {
    stacks.insert(stacks.end(), cpu.stacks.begin(), cpu.stacks.end());
  }
  for (const Task& task : all_tasks(kernel, arch, remarks)) {
    if (task.stack.size != 0) stacks.push_back(task.stack);
  }
  return stacks;
}

// From the exception's registers and stack; without an exception from those of the panicking CPU.
std::vector<PointerFacts> take_pointers(const std::optional<FoundException>& exception,
                                        std::span<const CpuSnapshot> cpus, unsigned stack_words,
                                        const Kernel& kernel, Whatis& whatis) {
  if (exception) {
    return follow_pointers(exception->facts.registers, exception->sp, exception->stack, stack_words,
                           kernel, whatis);
  }
  const auto cpu = std::ranges::find_if(cpus, &CpuSnapshot::panicking);
  if (cpu == cpus.end()) return {};
  StackRange stack;
  for (const StackRange& each : cpu->stacks) {
    if (each.contains(cpu->state.sp)) stack = each;
  }
  return follow_pointers(cpu->state.registers, cpu->state.sp, stack, stack_words, kernel, whatis);
}

// What can be said without virtual memory: the registers as the dump has them.
void take_bare_cpus(const Core& core, const Architecture& arch, Findings& findings) {
  for (const CpuNote& note : core.cpus()) {
    CpuFacts facts;
    facts.index = note.index;
    if (const auto state = arch.decode_cpu(note)) {
      facts.at = CodeLocation{state->pc, {}, 0, {}};
      facts.registers = state->registers;
    }
    findings.cpus.push_back(std::move(facts));
  }
}

void take_kernel(const Core& core, const Architecture& arch, const KernelSpace& space,
                 unsigned stack_words, Findings& findings) {
  const VirtMemory& memory = *space.memory;
  const Vmcoreinfo& info = *core.vmcoreinfo();

  // The log needs VMCOREINFO only; what the kernel said is parsed from it.
  take_log(memory, info, findings);
  findings.reports = oops::parse_reports(findings.log);
  findings.panic = panic_message(findings.log);

  // Symbols, types and modules, from the core itself.
  const Kernel kernel = Kernel::read(memory, info, findings.remarks);
  if (kernel.symbols()) findings.core.symbols = kernel.symbols()->size();
  if (kernel.types()) findings.core.types = kernel.types()->type_count();
  if (const auto banner = kernel.symbol("linux_banner")) {
    findings.core.version = trim(memory.c_string(*banner, kMaxBanner));
  }

  // Who was where when the machine stopped.
  const auto cpus = read_cpus(core.cpus(), kernel, arch, findings.remarks);
  for (const CpuSnapshot& cpu : cpus) findings.cpus.push_back(to_facts(cpu, kernel));

  // The exception that was not survived, from the stack.
  const auto exception =
      find_exception(cpus, kernel, arch, findings.reports, findings.log, findings.remarks);
  if (exception) findings.exception = exception->facts;

  // Where its registers and stack lead.
  Whatis whatis(kernel, arch, space.levels, all_stacks(kernel, arch, cpus, findings.remarks),
                static_cast<unsigned>(core.cpus().size()));
  findings.pointers = take_pointers(exception, cpus, stack_words, kernel, whatis);
}

}  // namespace

Result<Findings> analyze(const fs::path& path, const Options& options) {
  const Stopwatch watch;
  RIG_ASSIGN(const Core core, Core::open(path));
  const Architecture& arch = architecture(core.arch());
  Findings findings;
  findings.core = describe_core(path, core);
  findings.remarks = core.remarks();

  if (!core.vmcoreinfo()) {
    findings.remarks.push_back(
        "no VMCOREINFO: neither symbols nor the log can be found (boot the guest with QEMU's "
        "-device vmcoreinfo and its qemu_fw_cfg driver loaded)");
    take_bare_cpus(core, arch, findings);
  } else if (auto space = arch.open_kernel(core.memory(), *core.vmcoreinfo(), core.cpus())) {
    std::ranges::move(space->remarks, std::back_inserter(findings.remarks));
    if (space->levels != 0) findings.core.paging_levels = space->levels;
    take_kernel(core, arch, *space, options.stack_words, findings);
  } else {
    findings.remarks.push_back("no kernel memory: " + space.error().message());
    take_bare_cpus(core, arch, findings);
  }
  findings.seconds = watch.seconds();
  return findings;
}

}  // namespace rig::analyzer
