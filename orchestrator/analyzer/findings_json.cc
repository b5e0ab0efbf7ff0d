// SPDX-License-Identifier: Apache-2.0
// Findings as JSON. Every field is described in docs/FINDINGS.md: change both together.
#include <boost/json.hpp>

#include "analyzer/analyzer.h"

namespace rig::analyzer {
namespace {

namespace json = boost::json;

constexpr int kSchema = 1;

// Addresses and register values are strings: JSON's numbers lose the lower bits of 64.
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

// The guest's text as valid UTF-8: what is not becomes \xNN, as dmesg shows it.
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

template <typename T>
json::value or_null(const std::optional<T>& value) {
  if (!value) return nullptr;
  return json::value_from(*value);
}

template <typename T>
json::value hex_or_null(const std::optional<T>& value) {
  if (!value) return nullptr;
  return json::value(hex(*value));
}

json::value location(const std::optional<CodeLocation>& at) {
  if (!at) return nullptr;
  return json::object{{"address", hex(at->address)},
                      {"function", utf8(at->function)},
                      {"offset", at->offset},
                      {"module", utf8(at->module)}};
}

json::object registers(const std::vector<RegisterValue>& values) {
  json::object object;
  for (const RegisterValue& each : values) object[each.name] = hex(each.value);
  return object;
}

json::object core(const CoreFacts& facts) {
  return {{"path", utf8(facts.path)},
          {"format", facts.format},
          {"arch", to_string(facts.arch)},
          {"file_bytes", facts.file_bytes},
          {"memory_bytes", facts.memory_bytes},
          {"release", utf8(facts.release)},
          {"version", utf8(facts.version)},
          {"build_id", utf8(facts.build_id)},
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

json::object cpu(const CpuFacts& facts) {
  return {{"index", facts.index},
          {"comm", utf8(facts.comm)},
          {"pid", or_null(facts.pid)},
          {"task", hex_or_null(facts.task)},
          {"at", location(facts.at)},
          {"panicking", facts.panicking},
          {"registers", registers(facts.registers)}};
}

json::value exception(const std::optional<ExceptionFacts>& facts) {
  if (!facts) return nullptr;
  return json::object{{"cpu", facts->cpu},
                      {"comm", utf8(facts->comm)},
                      {"pid", or_null(facts->pid)},
                      {"task", hex_or_null(facts->task)},
                      {"at", location(facts->at)},
                      {"address", hex_or_null(facts->address)},
                      {"error_code", hex_or_null(facts->error_code)},
                      {"registers", registers(facts->registers)},
                      {"source", utf8(facts->source)}};
}

json::value object(const std::optional<SlabObject>& facts) {
  if (!facts) return nullptr;
  return json::object{
      {"address", hex(facts->address)},    {"cache", utf8(facts->cache)},
      {"object_size", facts->object_size}, {"slot", facts->slot},
      {"slab", hex(facts->slab)},          {"allocated", or_null(facts->allocated)},
      {"evidence", utf8(facts->evidence)}, {"content", hex(ByteView(facts->content))}};
}

json::object pointer(const PointerFacts& facts) {
  return {{"from", facts.from},
          {"value", hex(facts.value)},
          {"what", utf8(facts.what)},
          {"offset", static_cast<std::int64_t>(facts.offset)},
          {"object", object(facts.object)}};
}

template <typename T, typename Convert>
json::array list(const std::vector<T>& values, Convert convert) {
  json::array array;
  array.reserve(values.size());
  for (const T& each : values) array.push_back(convert(each));
  return array;
}

}  // namespace

std::string to_json(const Findings& findings) {
  const json::object document{
      {"schema", kSchema},
      {"core", core(findings.core)},
      {"panic", findings.panic ? json::value(utf8(*findings.panic)) : json::value(nullptr)},
      {"exception", exception(findings.exception)},
      {"reports", list(findings.reports, report)},
      {"cpus", list(findings.cpus, cpu)},
      {"pointers", list(findings.pointers, pointer)},
      {"remarks",
       list(findings.remarks, [](const std::string& text) { return json::value(utf8(text)); })},
      {"seconds", findings.seconds},
      {"log", utf8(findings.log)}};
  return json::serialize(document);
}

}  // namespace rig::analyzer
