// SPDX-License-Identifier: Apache-2.0
#include "scenario/signature_file.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <set>

#include "base/text.h"
#include "scenario/signature_reader.h"

namespace rig::scenario {
namespace {

constexpr std::uint64_t kPlainNumbers = 10;  // smaller ones are written in decimal

std::string number(std::uint64_t value) {
  return value < kPlainNumbers ? fmt::format("{}", value) : fmt::format("{:#x}", value);
}

std::string number(std::int64_t value) {
  const auto size = static_cast<std::uint64_t>(value < 0 ? -value : value);
  return (value < 0 ? "-" : "") + number(size);
}

// One predicate on one line, `{key: value, ...}`: what was not given is left out.
class FlowMap {
 public:
  explicit FlowMap(YAML::Emitter& out) : out_(out) { out_ << YAML::Flow << YAML::BeginMap; }
  ~FlowMap() { out_ << YAML::EndMap; }
  FlowMap(const FlowMap&) = delete;
  FlowMap& operator=(const FlowMap&) = delete;

  void put(const char* key, const std::optional<std::string>& value) {
    if (value) out_ << YAML::Key << key << YAML::Value << *value;
  }
  void put(const char* key, std::uint64_t value) { put(key, std::optional(number(value))); }
  void put(const char* key, std::int64_t value) { put(key, std::optional(number(value))); }
  void put(const char* key, const std::optional<std::uint64_t>& value) {
    if (value) put(key, *value);
  }
  void put(const char* key, const std::optional<bool>& value) {
    if (value) put(key, std::optional<std::string>(*value ? "true" : "false"));
  }
  void put_bytes(const char* key, const std::vector<std::byte>& bytes) {
    out_ << YAML::Key << key << YAML::Value << YAML::DoubleQuoted << hex_bytes(bytes);
  }

 private:
  YAML::Emitter& out_;
};

void put_report(YAML::Emitter& out, const ReportPredicate& report) {
  FlowMap map(out);
  map.put("kind", report.kind);
  map.put("address", report.address);
  map.put("function", report.function);
  map.put("access", report.access);
  map.put("cache", report.cache);
}

void put_object(YAML::Emitter& out, const ObjectPredicate& object) {
  FlowMap map(out);
  map.put("holds", object.holds);
  map.put("size", std::uint64_t{object.size});
  map.put("offset", object.offset);
  map.put("cache", object.cache);
  map.put("allocated", object.allocated);
  map.put("was", object.was);
}

void put_corruption(YAML::Emitter& out, const CorruptionPredicate& corruption) {
  FlowMap map(out);
  map.put("kind", corruption.kind);
  map.put("cache", corruption.cache);
  if (corruption.offset) map.put("offset", *corruption.offset);
  if (corruption.bytes) map.put_bytes("bytes", *corruption.bytes);
  map.put("pointer", corruption.pointer);
  if (corruption.wrong_byte) map.put("wrong_byte", std::uint64_t{*corruption.wrong_byte});
  map.put("allocated", corruption.allocated);
  map.put("allocated_by", corruption.allocated_by);
  map.put("freed_by", corruption.freed_by);
}

std::string where_text(const PerCpuPredicate& predicate) {
  using Where = PerCpuPredicate::Where;
  switch (predicate.where) {
    case Where::kAny:
      return "any";
    case Where::kAll:
      return "all";
    case Where::kPanicked:
      return "panicked";
    case Where::kSum:
      return "sum";
    case Where::kOne:
      return fmt::format("{}", predicate.cpu);
  }
  return "any";
}

void put_variable(YAML::Emitter& out, const PerCpuPredicate& predicate) {
  FlowMap map(out);
  map.put("cpu", std::optional(where_text(predicate)));
  map.put("minus", predicate.minus);
  map.put("is", std::optional(predicate.is.text()));
}

void put_functions(YAML::Emitter& out, const std::vector<std::string>& functions) {
  if (functions.empty()) return;
  out << YAML::Key << "backtrace" << YAML::Value << YAML::Flow << functions;
}

void put_cpu(YAML::Emitter& out, const CpuPredicate& cpu) {
  FlowMap map(out);
  put_functions(out, cpu.backtrace);
  map.put("irqs_off", cpu.irqs_off);
}

void put_task(YAML::Emitter& out, const TaskPredicate& task) {
  FlowMap map(out);
  map.put("comm", task.comm);
  put_functions(out, task.backtrace);
  map.put("lock", task.lock);
  map.put("owner", task.owner);
}

void put_hang(YAML::Emitter& out, const Expectation& expectation) {
  if (expectation.during == During::kBoot) out << YAML::Key << "during" << YAML::Value << "boot";
  if (!expectation.hang) return;
  out << YAML::Key << "hang" << YAML::Value;
  FlowMap map(out);
  if (expectation.hang->kind)
    map.put("kind", std::optional(std::string(to_string(*expectation.hang->kind))));
}

template <typename T>
void put_each(YAML::Emitter& out, const char* key, const std::vector<T>& all,
              void (*put_one)(YAML::Emitter&, const T&)) {
  if (all.empty()) return;
  out << YAML::Key << key << YAML::Value << YAML::BeginSeq;
  for (const T& each : all) put_one(out, each);
  out << YAML::EndSeq;
}

}  // namespace

std::vector<NamedExpectation> expectations_on(Arch arch, std::vector<NamedExpectation> all) {
  std::set<std::string> own;  // detectors that expect something of this architecture
  for (const NamedExpectation& each : all) {
    if (parse_arch(each.on) == arch) own.insert(each.detector);
  }
  std::erase_if(all, [&](const NamedExpectation& each) {
    return each.on.empty() ? own.contains(each.detector)
                           : parse_arch(each.on).value_or(arch) != arch;
  });
  return all;
}

std::string signature_text(const std::string& detector, const Expectation& expectation) {
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << "expect" << YAML::Value << YAML::BeginMap << YAML::Key
      << detector << YAML::Value << YAML::BeginMap;
  put_hang(out, expectation);
  if (expectation.report) {
    out << YAML::Key << "report" << YAML::Value;
    put_report(out, *expectation.report);
  }
  if (expectation.object) {
    out << YAML::Key << "object" << YAML::Value;
    put_object(out, *expectation.object);
  }
  put_each(out, "corruption", expectation.corruptions, put_corruption);
  if (!expectation.backtrace.empty()) {
    out << YAML::Key << "backtrace" << YAML::Value << YAML::Flow << expectation.backtrace;
  }
  if (!expectation.percpu.empty()) {
    out << YAML::Key << "percpu" << YAML::Value << YAML::BeginMap;
    for (const auto& each : expectation.percpu) {
      out << YAML::Key << each.variable << YAML::Value;
      put_variable(out, each);
    }
    out << YAML::EndMap;
  }
  if (!expectation.memory.empty()) {
    out << YAML::Key << "memory" << YAML::Value << YAML::Flow << YAML::BeginMap;
    for (const auto& each : expectation.memory) {
      out << YAML::Key << each.row << YAML::Value << each.is.text();
    }
    out << YAML::EndMap;
  }
  put_each(out, "cpu", expectation.cpus, put_cpu);
  put_each(out, "task", expectation.tasks, put_task);
  out << YAML::EndMap << YAML::EndMap << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

Result<std::vector<NamedExpectation>> load_signatures(const fs::path& file,
                                                      const LoadOptions& options) {
  RIG_ASSIGN(const std::string text, read_file(file, kMaxYamlBytes));
  RIG_ASSIGN(const Node root, parse_yaml(text, file.string()));
  Problems problems(file.string());
  const Node* expect = nullptr;
  for (const Field& field : root.entries) {
    if (field.key == "expect") expect = &field.value;
  }
  if (expect == nullptr) {
    return fail_hint(Blame::kInput, "`crashrig signature CORE` writes one from a core",
                     "{}: there is no 'expect:' in it", file.string());
  }
  std::vector<NamedExpectation> all;
  for (const Field& entry : read_named(*expect, "'expect'", problems)) {
    auto read = read_expectation(entry.value, {options.report_kinds, {}, options.corruption_kinds},
                                 fmt::format("detector '{}'", entry.key), problems);
    if (!read.expect.empty()) all.push_back({entry.key, "", read.expect});
    for (auto& [on, expectation] : read.on) {
      all.push_back({entry.key, on, std::move(expectation)});
    }
  }
  RIG_TRY(problems.status());
  return all;
}

}  // namespace rig::scenario
