// SPDX-License-Identifier: Apache-2.0
// Findings as JSON. Every field is described in docs/FINDINGS.md: change both together.
#include <algorithm>
#include <boost/json.hpp>

#include "analyzer/analyzer.h"
#include "analyzer/fault_json.h"
#include "analyzer/guest_json.h"
#include "analyzer/provenance_json.h"
#include "analyzer/slab_json.h"

namespace rig::analyzer {
namespace {

namespace json = boost::json;

constexpr int kSchema = 2;

json::object core(const CoreFacts& facts) {
  return {{"path", utf8(facts.path)},
          {"format", facts.format},
          {"arch", to_string(facts.arch)},
          {"file_bytes", facts.file_bytes},
          {"memory_bytes", facts.memory_bytes},
          {"version", utf8(facts.version)},
          {"kaslr_offset", hex_or_null(facts.kaslr_offset)},
          {"paging_levels", or_null(facts.paging_levels)},
          {"vmcoreinfo", facts.vmcoreinfo},
          {"symbols", facts.symbols},
          {"types", facts.types}};
}

json::object report(const oops::Report& facts) {
  json::object values;
  for (const auto& [name, value] : facts.registers) values[utf8(name)] = hex(value);
  json::array frames;
  for (const oops::Frame& frame : facts.frames) {
    frames.push_back(json::object{{"function", utf8(frame.function)},
                                  {"offset", frame.offset},
                                  {"size", frame.size},
                                  {"module", utf8(frame.module)},
                                  {"reliable", frame.reliable}});
  }
  return {{"kind", facts.kind},
          {"title", utf8(facts.title)},
          {"function", utf8(facts.function)},
          {"module", utf8(facts.module)},
          {"address", hex_or_null(facts.address)},
          {"access", facts.access},
          {"access_size", or_null(facts.access_size)},
          {"cache", utf8(facts.cache)},
          {"comm", utf8(facts.comm)},
          {"pid", or_null(facts.pid)},
          {"cpu", or_null(facts.cpu)},
          {"taint", utf8(facts.taint)},
          {"registers", std::move(values)},
          {"frames", std::move(frames)},
          {"first_line", facts.first_line},
          {"last_line", facts.last_line},
          {"panicked", facts.panicked},
          {"corrupted", facts.corrupted}};
}

json::value task(std::string_view comm, const std::optional<std::uint64_t>& pid,
                 const std::optional<VirtAddr>& at) {
  if (!pid && !at) return nullptr;
  return json::object{{"pid", or_null(pid)}, {"comm", utf8(comm)}, {"address", hex_or_null(at)}};
}

json::object cpu(const CpuFacts& facts) {
  return {{"cpu", facts.index},
          {"task", task(facts.comm, facts.pid, facts.task)},
          {"context", context_json(facts.context)},
          {"at", location_json(facts.at)},
          {"panicking", facts.panicking},
          {"idle", facts.idle},
          {"running", or_null(facts.running)},
          {"queued", facts.queued},
          {"backtrace", backtrace_json(facts.backtrace)},
          {"registers", registers_json(facts.registers)}};
}

// What panic() said, and who called it.
json::value panic(const Findings& findings) {
  const auto cpu = std::ranges::find_if(findings.cpus, &CpuFacts::panicking);
  if (!findings.panic && cpu == findings.cpus.end()) return nullptr;
  json::object object{{"message", nullptr}, {"cpu", nullptr}, {"task", nullptr}};
  if (findings.panic) object["message"] = utf8(*findings.panic);
  if (cpu != findings.cpus.end()) {
    object["cpu"] = cpu->index;
    object["task"] = task(cpu->comm, cpu->pid, cpu->task);
  }
  return object;
}

json::value cause(const std::vector<oops::Report>& reports) {
  const auto found = oops::cause(reports);
  return found ? json::value(report(*found)) : json::value(nullptr);
}

json::value exception(const std::optional<ExceptionFacts>& facts) {
  if (!facts) return nullptr;
  return json::object{{"cpu", facts->cpu},
                      {"task", task(facts->comm, facts->pid, facts->task)},
                      {"at", location_json(facts->at)},
                      {"address", hex_or_null(facts->address)},
                      {"error_code", hex_or_null(facts->error_code)},
                      {"registers", registers_json(facts->registers)},
                      {"source", utf8(facts->source)}};
}

json::object pointer(const PointerFacts& facts) {
  return {{"from", facts.from},
          {"value", hex(facts.value)},
          {"what", utf8(facts.what)},
          {"offset", static_cast<std::int64_t>(facts.offset)},
          {"object", slab_object_json(facts.object)}};
}

json::object finding(const Finding& facts) {
  return {{"kind", facts.kind},
          {"confidence", to_string(facts.confidence)},
          {"summary", utf8(facts.summary)},
          {"evidence",
           list(facts.evidence, [](const std::string& text) { return json::value(utf8(text)); })},
          {"cache", utf8(facts.cache)},
          {"object", hex_or_null(facts.object)}};
}

json::object percpu(const PerCpuFacts& facts) {
  return {{"name", facts.name},
          {"values", list(facts.values,
                          [](const PerCpuFacts::Value& each) {
                            return json::object{{"cpu", each.cpu}, {"value", hex(each.value)}};
                          })},
          {"problem", utf8(facts.problem)}};
}

}  // namespace

std::string to_json(const Findings& findings) {
  const json::object document{
      {"schema", kSchema},
      {"release", utf8(findings.core.release)},
      {"arch", to_string(findings.core.arch)},
      {"build_id", utf8(findings.core.build_id)},
      {"explanation", utf8(findings.explanation)},
      {"findings", list(findings.findings, finding)},
      {"core", core(findings.core)},
      {"system", system_json(findings.system)},
      {"panic", panic(findings)},
      {"cpus", list(findings.cpus, cpu)},
      {"report", cause(findings.reports)},
      {"reports", list(findings.reports, report)},
      {"exception", exception(findings.exception)},
      {"backtrace", list(findings.backtrace.frames, frame_json)},
      {"backtrace_complete", findings.backtrace.complete},
      {"backtrace_end", utf8(findings.backtrace.end)},
      {"waits", list(findings.waits, wait_json)},
      {"modules", list(findings.modules, module_json)},
      {"memory", memory_json(findings.memory)},
      {"pointers", list(findings.pointers, pointer)},
      {"slab", slab_json(findings.slab)},
      {"fault", findings.fault ? json::value(fault_json(*findings.fault)) : json::value(nullptr)},
      {"provenance", list(findings.provenance, provenance_json)},
      {"percpu", list(findings.percpu, percpu)},
      {"problems",
       list(findings.remarks, [](const std::string& text) { return json::value(utf8(text)); })},
      {"seconds", findings.seconds},
      {"log", utf8(findings.log)}};
  return json::serialize(document);
}

}  // namespace rig::analyzer
