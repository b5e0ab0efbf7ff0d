// SPDX-License-Identifier: Apache-2.0
#include "analyzer/analyzer.h"

#include <algorithm>
#include <charconv>

#include "analyzer/facts/memory_facts.h"
#include "analyzer/facts/module_facts.h"
#include "analyzer/facts/percpu_values.h"
#include "analyzer/facts/pointers.h"
#include "analyzer/facts/provenance.h"
#include "analyzer/facts/report_start.h"
#include "analyzer/facts/system_facts.h"
#include "analyzer/facts/waits.h"
#include "analyzer/judgement/judgement.h"
#include "base/deadline.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxBanner = 1024;

CoreFacts describe_core(const Core& core) {
  CoreFacts facts;
  facts.path = core.name();
  facts.format = core.format();
  facts.arch = core.arch();
  facts.file_bytes = core.file_bytes();
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

// What is wrong with the log itself.
void remark_on(const KernelLog& log, std::vector<std::string>& remarks) {
  if (log.missing != 0) {
    remarks.push_back(fmt::format("log: {} bytes of its buffer are not in the core", log.missing));
  }
  if (log.broken != 0) {
    remarks.push_back(
        fmt::format("log: {} of {} records are broken", log.broken, log.broken + log.records));
  }
  if (log.overfull) {
    remarks.push_back(fmt::format(
        "log: its records hold more text than their buffer; what comes after the first {} is left "
        "out",
        human_bytes(log.text.size())));
  }
  if (log.unfinished != 0) {
    remarks.push_back(
        fmt::format("log: {} records were being written when the machine stopped", log.unfinished));
  }
}

// From the exception's registers and stack; without an exception from those of the CPU that panics
// or begins a report.
std::vector<PointerFacts> take_pointers(Session& session, const Kernel& kernel,
                                        unsigned stack_words) {
  Whatis* whatis = session.whatis();
  if (!whatis) return {};
  if (const auto& exception = session.exception()) {
    return follow_pointers(exception->facts.registers, exception->sp, exception->stack, stack_words,
                           kernel, *whatis);
  }
  const CpuSnapshot* cpu = session.panic_cpu();
  if (!cpu || !(cpu->panicking || begins_report(kernel, cpu->state.pc))) return {};
  StackRange stack;
  for (const StackRange& each : cpu->stacks) {
    if (each.contains(cpu->state.sp)) stack = each;
  }
  return follow_pointers(cpu->state.registers, cpu->state.sp, stack, stack_words, kernel, *whatis);
}

// A checker names an address that no register may hold any more when it ends the kernel.
void follow_report(Session& session, std::vector<PointerFacts>& pointers) {
  const auto report = oops::cause(session.reports());
  Whatis* whatis = session.whatis();
  if (!report || !report->address || whatis == nullptr) return;
  const VirtAddr address{*report->address};
  What what = whatis->ask(address);
  if (!what.slab) return;
  for (const PointerFacts& each : pointers) {
    if (each.object && each.object->address == what.slab->object.address) return;
  }
  pointers.push_back({"address of the report", address, std::move(what.words),
                      std::move(what.slab->object), static_cast<std::uint64_t>(what.slab->offset)});
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

void take_kernel(Session& session, const Kernel& kernel, const Options& options,
                 Findings& findings) {
  // The log needs VMCOREINFO only; what the kernel said is parsed from it.
  std::vector<std::string> remarks;
  if (const auto log = session.log()) {
    findings.log = (*log)->text;
    remark_on(**log, remarks);
  } else {
    remarks.push_back("no log: " + log.error().message());
  }
  findings.reports = session.reports();
  findings.panic = panic_message(findings.log);

  // Symbols, types and modules, from the core itself.
  if (session.paging_levels() != 0) findings.core.paging_levels = session.paging_levels();
  if (kernel.symbols()) findings.core.symbols = kernel.symbols()->size();
  if (kernel.types()) findings.core.types = kernel.types()->type_count();
  if (const auto banner = kernel.symbol("linux_banner")) {
    findings.core.version = trim(kernel.memory().c_string(*banner, kMaxBanner));
  }

  // Who was where when the machine stopped, and how it got there.
  for (const CpuSnapshot& cpu : session.cpus()) {
    findings.cpus.push_back(to_facts(cpu, kernel));
    findings.cpus.back().backtrace = session.backtrace(cpu);
  }
  add_queues(session, findings.cpus);
  if (const CpuSnapshot* cpu = session.panic_cpu()) findings.backtrace = session.backtrace(*cpu);

  // The guest as a whole.
  if (auto system = system_facts(session)) findings.system = *std::move(system);
  findings.waits = wait_facts(session, remarks);
  findings.modules = module_facts(kernel, remarks);
  findings.memory = memory_facts(kernel, session.arch().layout(kernel).page_size);

  // The exception that was not survived, from the stack; where its registers and stack lead.
  if (const auto& exception = session.exception()) findings.exception = exception->facts;
  findings.pointers = take_pointers(session, kernel, options.stack_words);
  follow_report(session, findings.pointers);
  findings.slab = session.slab();
  findings.fault = session.fault();
  findings.provenance = former_owners(session);
  for (const std::string& name : options.percpu) {
    findings.percpu.push_back(percpu_values(session, name));
  }
  for (std::string& text : remarks) session.remark(std::move(text));
}

}  // namespace

Findings analyze(Session& session, const Options& options) {
  const Stopwatch watch;
  Findings findings;
  findings.core = describe_core(session.core());
  const auto kernel = session.kernel();
  if (kernel) {
    take_kernel(session, **kernel, options, findings);
  } else {
    session.remark(kernel.error().message());
    take_bare_cpus(session.core(), session.arch(), findings);
  }
  findings.remarks = session.remarks();
  Judgement judgement = judge(findings);
  findings.findings = std::move(judgement.findings);
  findings.explanation = std::move(judgement.explanation);
  findings.seconds = watch.seconds();
  return findings;
}

Result<Findings> analyze(const fs::path& path, const Options& options) {
  const Stopwatch watch;
  RIG_ASSIGN(Core core, Core::open(path));
  Session session(std::move(core));
  Findings findings = analyze(session, options);
  findings.seconds = watch.seconds();
  return findings;
}

Result<std::string> kernels_log(const fs::path& path) {
  RIG_ASSIGN(Core core, Core::open(path));
  Session session(std::move(core));
  RIG_ASSIGN(const KernelLog* log, session.log());
  if (log->broken != 0 || log->missing != 0 || log->overfull) {
    return fail(Blame::kInput, "the log of {} is not whole", path.string());
  }
  return kernels_text(*log);
}

}  // namespace rig::analyzer
