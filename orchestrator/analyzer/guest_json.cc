// SPDX-License-Identifier: Apache-2.0
#include "analyzer/guest_json.h"

namespace rig::analyzer {

namespace json = boost::json;

namespace {

// How many bytes the UTF-8 sequence at the start of `text` has, 0 when it is none.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  const std::size_t length = first < 0x80                     ? 1
                             : first >= 0xc2 && first < 0xe0  ? 2
                             : first >= 0xe0 && first < 0xf0  ? 3
                             : first >= 0xf0 && first <= 0xf4 ? 4
                                                              : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (length < 3) return length;
  // Overlong forms, surrogates, and what lies beyond Unicode.
  const bool bad = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
                   (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f);
  return bad ? 0 : length;
}

json::array strings(const std::vector<std::string>& values) {
  return list(values, [](const std::string& each) { return json::value(utf8(each)); });
}

}  // namespace

std::string hex(std::uint64_t value) {
  return fmt::format("{:#x}", value);
}
std::string hex(VirtAddr value) {
  return fmt::format("{}", value);
}

std::string hex(ByteView bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte each : bytes) {
    text += kDigits[std::to_integer<unsigned>(each) >> 4];
    text += kDigits[std::to_integer<unsigned>(each) & 15];
  }
  return text;
}

std::string utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto length = sequence_length(text);
    if (length == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

json::value location_json(const std::optional<CodeLocation>& at) {
  if (!at) return nullptr;
  return json::object{{"address", hex(at->address)},
                      {"function", utf8(at->function)},
                      {"offset", at->offset},
                      {"module", utf8(at->module)}};
}

json::object registers_json(const std::vector<RegisterValue>& values) {
  json::object object;
  for (const RegisterValue& each : values) object[each.name] = hex(each.value);
  return object;
}

json::object frame_json(const BacktraceFrame& frame) {
  json::array source;
  for (const SourceLine& each : frame.source) {
    source.push_back(json::object{{"function", utf8(each.function)},
                                  {"file", utf8(each.file)},
                                  {"line", each.line},
                                  {"inlined", each.inlined}});
  }
  // The place itself is the innermost source line's.
  json::value file, line;
  if (!frame.source.empty()) {
    file = utf8(frame.source.front().file);
    line = frame.source.front().line;
  }
  return {{"address", hex(frame.at.address)},
          {"function", utf8(frame.at.function)},
          {"offset", frame.at.offset},
          {"module", utf8(frame.at.module)},
          {"file", std::move(file)},
          {"line", std::move(line)},
          {"reliable", frame.reliable},
          {"sp", hex(frame.sp)},
          {"stack", utf8(frame.stack)},
          {"exception", utf8(frame.exception)},
          {"registers", registers_json(frame.registers)},
          {"registers_at", hex_or_null(frame.registers_at)},
          {"note", utf8(frame.note)},
          {"source", std::move(source)}};
}

json::object backtrace_json(const Backtrace& trace) {
  return {{"frames", list(trace.frames, frame_json)},
          {"complete", trace.complete},
          {"end", utf8(trace.end)},
          {"user_registers", registers_json(trace.user_registers)}};
}

json::value context_json(const std::optional<ContextFacts>& context) {
  if (!context) return nullptr;
  return json::object{{"preempt_count", hex(context->preempt_count)},
                      {"nmi", context->nmi},
                      {"hardirq", context->hardirq},
                      {"softirq", context->softirq},
                      {"preempt", context->preempt},
                      {"serving_softirq", context->serving_softirq},
                      {"irqs_off", or_null(context->irqs_off)},
                      {"words", context->words}};
}

json::object system_json(const SystemFacts& facts) {
  json::array taint;
  for (const TaintFlag& each : facts.taint) {
    taint.push_back(
        json::object{{"letter", std::string(1, each.letter)}, {"meaning", each.meaning}});
  }
  json::value panic;
  if (facts.panic) {
    panic = json::object{{"message", utf8(facts.panic->message)},
                         {"cpu", or_null(facts.panic->cpu)},
                         {"task", json::object{{"task", hex_or_null(facts.panic->task)},
                                               {"pid", or_null(facts.panic->pid)},
                                               {"comm", utf8(facts.panic->comm)}}}};
  }
  return {{"release", utf8(facts.release)},
          {"version", utf8(facts.version)},
          {"machine", utf8(facts.machine)},
          {"hostname", utf8(facts.hostname)},
          {"cmdline", utf8(facts.cmdline)},
          {"cpus_online", or_null(facts.cpus_online)},
          {"cpus_possible", or_null(facts.cpus_possible)},
          {"uptime", or_null(facts.uptime)},
          {"crash_time", or_null(facts.crash_time)},
          {"load_average", json::value_from(facts.load_average)},
          {"tasks", or_null(facts.tasks)},
          {"memory_bytes", or_null(facts.memory_bytes)},
          {"panic", std::move(panic)},
          {"taint", std::move(taint)},
          {"problems", strings(facts.problems)}};
}

json::object task_json(const TaskFacts& facts) {
  return {{"task", hex(facts.at)},
          {"pid", facts.pid},
          {"tgid", facts.tgid},
          {"parent", facts.parent},
          {"comm", utf8(facts.comm)},
          {"state", std::string(1, facts.state)},
          {"state_words", facts.state_words},
          {"cpu", or_null(facts.cpu)},
          {"running", facts.running},
          {"idle", facts.idle},
          {"kernel_thread", facts.kernel_thread},
          {"rss", or_null(facts.rss)},
          {"vsize", or_null(facts.vsize)},
          {"mm", hex(facts.mm)},
          {"stack", hex(facts.stack)},
          {"flags", hex(facts.flags)},
          {"uid", or_null(facts.uid)},
          {"priority", or_null(facts.priority)},
          {"started_ns", or_null(facts.started)},
          {"last_run_ns", or_null(facts.last_run)},
          {"user_ns", or_null(facts.user_time)},
          {"system_ns", or_null(facts.system_time)}};
}

json::object wait_json(const WaitFacts& facts) {
  json::value lock = nullptr;
  if (facts.lock) {
    const bool owned = raw(facts.lock->owner) != 0;
    json::value owner = nullptr;
    if (owned) {
      owner = json::object{{"pid", or_null(facts.lock->owner_pid)},
                           {"comm", utf8(facts.lock->owner_comm)},
                           {"address", hex(facts.lock->owner)}};
    }
    lock = json::object{{"kind", facts.lock->kind},
                        {"address", hex(facts.lock->at)},
                        {"name", utf8(facts.lock->name)},
                        {"owner", std::move(owner)}};
  }
  return {
      {"task",
       json::object{{"pid", facts.pid}, {"comm", utf8(facts.comm)}, {"address", hex(facts.task)}}},
      {"seconds", or_null(facts.seconds)},
      {"lock", std::move(lock)},
      {"backtrace", backtrace_json(facts.backtrace)}};
}

json::object module_json(const ModuleFacts& facts) {
  return {{"at", hex(facts.at)},
          {"name", utf8(facts.name)},
          {"size", facts.size},
          {"state", facts.state},
          {"taint", facts.taint},
          {"references", or_null(facts.references)},
          {"used_by", strings(facts.used_by)},
          {"ranges", list(facts.ranges, [](const ModuleRangeFacts& range) {
             return json::object{
                 {"begin", hex(range.begin)}, {"size", range.size}, {"text", range.text}};
           })}};
}

json::object mount_json(const MountFacts& facts) {
  return {{"at", hex(facts.at)},
          {"superblock", hex(facts.superblock)},
          {"device", utf8(facts.device)},
          {"type", utf8(facts.type)},
          {"options", utf8(facts.options)},
          {"directory", utf8(facts.directory)}};
}

json::object open_file_json(const OpenFileFacts& facts) {
  return {{"fd", facts.fd},
          {"file", hex(facts.file)},
          {"dentry", hex(facts.dentry)},
          {"inode", hex(facts.inode)},
          {"kind", facts.kind},
          {"path", utf8(facts.path)}};
}

json::object task_files_json(const TaskFilesFacts& facts) {
  return {{"task", hex(facts.task)},
          {"root", utf8(facts.root)},
          {"directory", utf8(facts.directory)},
          {"executable", utf8(facts.executable)},
          {"files", list(facts.files, open_file_json)},
          {"problems", strings(facts.problems)}};
}

json::object swap_json(const SwapFacts& facts) {
  return {{"at", hex(facts.at)},  {"path", utf8(facts.path)}, {"partition", facts.partition},
          {"bytes", facts.bytes}, {"used", facts.used},       {"priority", facts.priority}};
}

namespace {

json::object zone_json(const ZoneFacts& zone) {
  return {{"at", hex(zone.at)},      {"node", zone.node}, {"name", utf8(zone.name)},
          {"managed", zone.managed}, {"free", zone.free}, {"min", zone.min},
          {"low", zone.low},         {"high", zone.high}, {"boost", zone.boost},
          {"verdict", zone.verdict}};
}

}  // namespace

json::object memory_json(const MemoryFacts& facts) {
  const auto by_name = [](const std::vector<MemoryRow>& rows) {
    json::object object;
    for (const MemoryRow& row : rows) object[row.name] = row.pages;
    return object;
  };
  return {{"page_size", facts.page_size},
          {"pages", by_name(facts.rows)},
          {"meminfo", by_name(facts.meminfo)},
          {"zones", list(facts.zones, zone_json)},
          {"commit_limit", or_null(facts.commit_limit)},
          {"committed", or_null(facts.committed)},
          {"verdict", facts.verdict},
          {"problems", strings(facts.problems)}};
}

}  // namespace rig::analyzer
