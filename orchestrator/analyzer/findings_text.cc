// SPDX-License-Identifier: Apache-2.0
// Findings for people: what happened first, then the evidence. At most 100 columns.
#include <algorithm>

#include "analyzer/analyzer.h"
#include "analyzer/facts/memory_size.h"
#include "analyzer/findings_parts.h"
#include "analyzer/reporting_cpu.h"
#include "analyzer/symbols/kernel.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

void put_head(std::string& out, const CoreFacts& core) {
  put_labelled(out, "core", core.path);
  put_labelled(out, "",
               fmt::format("{}, {} for {} of guest memory", core.format,
                           human_bytes(core.file_bytes), memory_size(core.memory_bytes)));
  std::string kernel = core.release.empty() ? "unknown release" : core.release;
  kernel += fmt::format(", {}", to_string(core.arch));
  if (core.paging_levels) kernel += fmt::format(", {}-level paging", *core.paging_levels);
  if (core.kaslr_offset) {
    kernel += *core.kaslr_offset == 0 ? ", no KASLR"
                                      : fmt::format(", KASLR offset {:#x}", *core.kaslr_offset);
  }
  put_labelled(out, "kernel", kernel);
  put_labelled(out, "", core.version);
  put_labelled(out, "read",
               fmt::format("{} symbols and {} types, all from the core itself; VMCOREINFO: {}",
                           with_commas(core.symbols), with_commas(core.types), core.vmcoreinfo));
}

// One line that says it all.
std::string summary(const Findings& findings) {
  if (const auto report = oops::cause(findings.reports)) {
    std::string text = report->title.empty() ? report->kind : report->title;
    if (report->address) text += fmt::format(", address {:#x}", *report->address);
    if (findings.reports.size() > 1) {
      text += fmt::format(" (and {} more in the log)", findings.reports.size() - 1);
    }
    return text;
  }
  if (findings.panic) return "panic without a report: " + *findings.panic;
  if (!findings.reports.empty()) {
    return fmt::format("no crash: the kernel survived what it reported ({})",
                       findings.reports.front().title);
  }
  for (const CpuFacts& cpu : findings.cpus) {
    const auto* function = report_begun(cpu);
    if (function == nullptr) continue;
    return fmt::format("stopped before the report: CPU {} is at {} ({})", cpu.index, function->name,
                       function->when);
  }
  if (findings.log.empty()) return "not known: the kernel's log could not be read";
  return "no crash: neither a report nor a panic is in the kernel's log";
}

void put_registers(std::string& out, const std::vector<RegisterValue>& registers) {
  constexpr std::size_t kPerLine = 4;
  for (std::size_t i = 0; i < registers.size(); ++i) {
    out += i % kPerLine == 0 ? "           " : "  ";
    out += fmt::format("{:>3} {:016x}", registers[i].name, registers[i].value);
    if (i % kPerLine == kPerLine - 1 || i + 1 == registers.size()) out += '\n';
  }
}

void put_exception(std::string& out, const ExceptionFacts& exception) {
  out += '\n';
  put_labelled(out, "EXCEPTION",
               fmt::format("on CPU {} in {}", exception.cpu, who(exception.comm, exception.pid)));
  if (exception.at) put_labelled(out, "  at", to_string(*exception.at));
  if (exception.address) {
    auto text = fmt::format("{:#x}", *exception.address);
    if (exception.error_code) text += fmt::format(", error code {:#x}", *exception.error_code);
    put_labelled(out, "  address", text);
  }
  put_registers(out, exception.registers);
  put_labelled(out, "  source", exception.source);
}

std::string taint_words(const std::vector<TaintFlag>& taint) {
  std::string text;
  for (const TaintFlag& flag : taint) {
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", flag.letter, flag.meaning);
  }
  return text;
}

std::string counted(std::uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

// panic() takes the other CPUs offline as it stops them: one alone is not what the guest had.
std::string cpus_words(std::uint64_t online, std::size_t in_core) {
  if (online >= in_core) return counted(online, "CPU") + " online";
  return fmt::format("{} of {} CPUs online", online, in_core);
}

void put_system(std::string& out, const Findings& findings) {
  const SystemFacts& system = findings.system;
  if (!system.taint.empty()) put_labelled(out, "taint", taint_words(system.taint));
  std::string state;
  const auto add = [&](std::string text) { state += (state.empty() ? "" : ", ") + text; };
  if (system.uptime) add(fmt::format("up {}", human_seconds(*system.uptime)));
  if (system.cpus_online) add(cpus_words(*system.cpus_online, findings.cpus.size()));
  if (system.tasks) add(counted(*system.tasks, "task"));
  if (!findings.modules.empty()) add(counted(findings.modules.size(), "module"));
  if (!state.empty()) put_labelled(out, "system", state);
  if (!findings.memory.verdict.empty()) put_labelled(out, "memory", findings.memory.verdict);
}

void put_pointers(std::string& out, const std::vector<PointerFacts>& pointers) {
  if (pointers.empty()) return;
  out += "\nWHERE REGISTERS AND STACK LEAD\n";
  for (const PointerFacts& each : pointers) {
    const auto name = each.from.starts_with("register ") ? each.from.substr(9) : each.from;
    put(out, fmt::format("  {:<13} {:016x}  ", name, raw(each.value)), each.what);
  }
}

// The judgement: the paragraph first, then each finding with what shows it.
void put_judgement(std::string& out, const Findings& findings) {
  if (!findings.explanation.empty()) {
    put(out, "", findings.explanation);
    out += '\n';
  }
  if (findings.findings.empty()) return;
  out += "FINDINGS\n";
  std::size_t number = 0;
  for (const Finding& each : findings.findings) {
    put(out, fmt::format("  {}. ", ++number),
        fmt::format("{} ({}): {}", each.kind, to_string(each.confidence), each.summary));
    for (const std::string& evidence : each.evidence) put(out, "     - ", evidence);
  }
  out += '\n';
}

}  // namespace

std::string to_text(const Findings& findings) {
  std::string out;
  put_judgement(out, findings);
  put_labelled(out, "crash", summary(findings));
  if (findings.panic) put_labelled(out, "panic", *findings.panic);
  put_head(out, findings.core);
  put_system(out, findings);
  if (findings.exception) put_exception(out, *findings.exception);
  put_trace(out, findings);
  put_cpus(out, findings.cpus);
  if (!findings.exception && !findings.panic && findings.cpus.size() > 1) {
    put_cpu_traces(out, findings.cpus);
  }
  put_waits(out, findings.waits);
  put_pointers(out, findings.pointers);
  put_objects(out, findings);
  if (!findings.remarks.empty()) out += "\nREMARKS\n";
  for (const std::string& remark : findings.remarks) put(out, "  - ", remark);
  out += fmt::format("\nanalyzed in {}\n", human_seconds(findings.seconds));
  return out;
}

}  // namespace rig::analyzer
