// SPDX-License-Identifier: Apache-2.0
#include "store/record_json.h"

#include <boost/json.hpp>
#include <cmath>

#include "base/text.h"
#include "store/json_text.h"

namespace rig::store {

namespace {

namespace json = boost::json;

// --- Writing ---------------------------------------------------------------------------------

json::value text(std::string_view value) {
  return json::string(to_utf8(value));
}
json::value text_or_null(std::string_view value) {
  return value.empty() ? json::value(nullptr) : text(value);
}
json::value hex(std::uint64_t value) {
  return json::string(fmt::format("{:#x}", value));
}

template <typename T>
json::value or_null(const std::optional<T>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

json::value write(const oops::Report& report) {
  json::object registers;
  for (const auto& [name, value] : report.registers) registers[to_utf8(name)] = hex(value);
  json::array frames;
  for (const oops::Frame& frame : report.frames) {
    frames.push_back({{"function", text(frame.function)},
                      {"offset", hex(frame.offset)},
                      {"size", hex(frame.size)},
                      {"module", text_or_null(frame.module)},
                      {"reliable", frame.reliable}});
  }
  return {{"kind", text(report.kind)},
          {"title", text(report.title)},
          {"function", text_or_null(report.function)},
          {"module", text_or_null(report.module)},
          {"address", report.address ? hex(*report.address) : json::value(nullptr)},
          {"access", text_or_null(report.access)},
          {"access_size", or_null(report.access_size)},
          {"cache", text_or_null(report.cache)},
          {"comm", text_or_null(report.comm)},
          {"pid", or_null(report.pid)},
          {"cpu", or_null(report.cpu)},
          {"taint", text_or_null(report.taint)},
          {"registers", std::move(registers)},
          {"frames", std::move(frames)},
          {"first_line", report.first_line},
          {"last_line", report.last_line},
          {"panicked", report.panicked},
          {"corrupted", report.corrupted}};
}

json::value write(const FirstStop& stop) {
  json::array later;
  for (const std::string& function : stop.later) later.push_back(text(function));
  return {{"function", text(stop.function)},
          {"address", hex(stop.address)},
          {"cpu", stop.cpu},
          {"seconds", stop.seconds},
          {"later", std::move(later)}};
}

json::value write(const NmiAnswer& nmi) {
  return {{"said", text_or_null(nmi.said)},
          {"report", nmi.report ? write(*nmi.report) : json::value(nullptr)}};
}

json::value write(const Hang& hang) {
  return {{"kind", text(to_string(hang.kind))},
          {"slowness", hang.slowness},
          {"last_line", text_or_null(hang.last_line)},
          {"nmi", hang.nmi ? write(*hang.nmi) : json::value(nullptr)}};
}

json::value write(const analyzer::Finding& finding) {
  json::array evidence;
  for (const std::string& each : finding.evidence) evidence.push_back(text(each));
  return {{"kind", text(finding.kind)},
          {"confidence", text(analyzer::to_string(finding.confidence))},
          {"summary", text(finding.summary)},
          {"evidence", std::move(evidence)}};
}

json::value write(const Attempt& attempt) {
  json::array checks;
  for (const verdict::Check& check : attempt.checks) {
    checks.push_back({{"predicate", text(check.predicate)},
                      {"expected", text(check.expected)},
                      {"found", text(check.found)},
                      {"holds", check.holds}});
  }
  json::array retried;
  for (const std::string& error : attempt.retried) retried.push_back(text(error));
  json::array differences;
  for (const std::string& line : attempt.core_differences) differences.push_back(text(line));
  return {{"outcome", text(verdict::to_string(attempt.outcome))},
          {"seconds",
           {{"boot", or_null(attempt.seconds.boot)},
            {"crash", or_null(attempt.seconds.crash)},
            {"capture", or_null(attempt.seconds.capture)},
            {"analyze", or_null(attempt.seconds.analyze)}}},
          {"work", or_null(attempt.work)},
          {"work_per_second", or_null(attempt.work_per_second)},
          {"watchdog",
           attempt.watchdog ? json::value(attempt.watchdog->count()) : json::value(nullptr)},
          {"stopped", attempt.stopped ? write(*attempt.stopped) : json::value(nullptr)},
          {"hang", attempt.hang ? write(*attempt.hang) : json::value(nullptr)},
          {"report", attempt.report ? write(*attempt.report) : json::value(nullptr)},
          {"finding", attempt.finding ? write(*attempt.finding) : json::value(nullptr)},
          {"checks", std::move(checks)},
          {"error", text_or_null(attempt.error)},
          {"reason", text_or_null(attempt.reason)},
          {"retried", std::move(retried)},
          {"core", text_or_null(attempt.core)},
          {"captured_by", text_or_null(attempt.captured_by)},
          {"machine_core", text_or_null(attempt.machine_core)},
          {"core_differences", std::move(differences)},
          {"core_format", text_or_null(attempt.core_format)},
          {"findings", text_or_null(attempt.findings)},
          {"console", text_or_null(attempt.console)},
          {"command_line", text_or_null(attempt.command_line)},
          {"accelerator", text_or_null(attempt.accelerator)},
          {"backend_version", text_or_null(attempt.backend_version)}};
}

json::array write(const std::vector<cmdline::Effect>& effects) {
  json::array all;
  for (const cmdline::Effect& effect : effects) {
    all.push_back({{"parameter", text(effect.parameter)},
                   {"state", text(to_string(effect.state))},
                   {"how", text(effect.how)}});
  }
  return all;
}

json::object write_head(const CellRecord& cell) {
  json::array ignored;
  for (const std::string& name : cell.ignored_ok) ignored.push_back(text(name));
  return {{"scenario", text(cell.scenario)},
          {"arch", text(cell.arch)},
          {"kernel", text(cell.kernel)},
          {"detector", text(cell.detector)},
          {"variant", text(cell.variant)},
          {"kernel_release", text_or_null(cell.kernel_release)},
          {"kernel_package", text_or_null(cell.kernel_package)},
          {"kernel_version", text_or_null(cell.kernel_version)},
          {"boot", text_or_null(cell.boot)},
          {"cmdline", text_or_null(cell.cmdline)},
          {"module_file", text_or_null(cell.module_file)},
          {"module_sha256", text_or_null(cell.module_sha256)},
          {"parameters", write(cell.parameters)},
          {"ignored_ok", std::move(ignored)},
          {"not_checked", text_or_null(cell.not_checked)}};
}

// --- Reading ---------------------------------------------------------------------------------

// One value of the document and the way to it. Reading goes on with defaults after a mistake; the
// first one is kept in `error`.
class Reader {
 public:
  Reader(const json::value& value, std::string path, std::string& error)
      : value_(value), path_(std::move(path)), error_(error) {}

  // The member `key`; null when there is none.
  Reader at(std::string_view key) const {
    const auto* object = value_.if_object();
    const auto* member = object == nullptr ? nullptr : object->if_contains(key);
    if (object == nullptr && !value_.is_null()) complain("is not an object");
    return {member == nullptr ? null() : *member,
            path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key), error_};
  }

  std::vector<Reader> items() const {
    std::vector<Reader> all;
    if (value_.is_null()) return all;
    const auto* array = value_.if_array();
    if (array == nullptr) complain("is not a list");
    for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
      all.emplace_back((*array)[i], fmt::format("{}[{}]", path_, i), error_);
    }
    return all;
  }

  std::vector<std::pair<std::string, Reader>> members() const {
    std::vector<std::pair<std::string, Reader>> all;
    const auto* object = value_.if_object();
    if (object == nullptr && !value_.is_null()) complain("is not an object");
    if (object == nullptr) return all;
    for (const auto& pair : *object) {
      all.emplace_back(std::string(pair.key()), at(pair.key()));
    }
    return all;
  }

  bool is_null() const { return value_.is_null(); }

  std::string text() const {
    if (const auto* string = value_.if_string()) return std::string(*string);
    if (!value_.is_null()) complain("is not a text");
    return {};
  }

  bool flag() const {
    if (const auto* flag = value_.if_bool()) return *flag;
    if (!value_.is_null()) complain("is neither true nor false");
    return false;
  }

  // A number, or a number as text.
  std::optional<std::uint64_t> number() const {
    if (value_.is_null()) return std::nullopt;
    if (const auto* number = value_.if_int64(); number != nullptr && *number >= 0) {
      return static_cast<std::uint64_t>(*number);
    }
    if (const auto* number = value_.if_uint64()) return *number;
    const auto* string = value_.if_string();
    const auto parsed =
        string == nullptr ? std::nullopt : parse_u64({string->data(), string->size()});
    if (!parsed) complain("is not a number");
    return parsed;
  }

  std::optional<double> seconds() const {
    if (value_.is_null()) return std::nullopt;
    boost::system::error_code failed;
    const auto number = value_.to_number<double>(failed);
    if (!failed && std::isfinite(number)) return number;
    complain("is not a number");
    return std::nullopt;
  }

  void complain(std::string_view what) const {
    if (error_.empty()) error_ = fmt::format("{}: {}", path_.empty() ? "document" : path_, what);
  }

 private:
  static const json::value& null() {
    static const json::value kNull;
    return kNull;
  }

  const json::value& value_;
  std::string path_;
  std::string& error_;
};

oops::Report read_report(const Reader& from) {
  oops::Report report;
  report.kind = from.at("kind").text();
  report.title = from.at("title").text();
  report.function = from.at("function").text();
  report.module = from.at("module").text();
  report.address = from.at("address").number();
  report.access = from.at("access").text();
  report.access_size = from.at("access_size").number();
  report.cache = from.at("cache").text();
  report.comm = from.at("comm").text();
  report.pid = from.at("pid").number();
  report.cpu = from.at("cpu").number();
  report.taint = from.at("taint").text();
  for (const auto& [name, value] : from.at("registers").members()) {
    report.registers[name] = value.number().value_or(0);
  }
  for (const Reader& frame : from.at("frames").items()) {
    report.frames.push_back({.function = frame.at("function").text(),
                             .offset = frame.at("offset").number().value_or(0),
                             .size = frame.at("size").number().value_or(0),
                             .module = frame.at("module").text(),
                             .reliable = frame.at("reliable").flag()});
  }
  report.first_line = from.at("first_line").number().value_or(0);
  report.last_line = from.at("last_line").number().value_or(0);
  report.panicked = from.at("panicked").flag();
  report.corrupted = from.at("corrupted").flag();
  return report;
}

FirstStop read_stop(const Reader& from) {
  FirstStop stop;
  stop.function = from.at("function").text();
  stop.address = from.at("address").number().value_or(0);
  stop.cpu = static_cast<unsigned>(from.at("cpu").number().value_or(0));
  stop.seconds = from.at("seconds").seconds().value_or(0);
  for (const Reader& function : from.at("later").items()) stop.later.push_back(function.text());
  return stop;
}

Hang read_hang(const Reader& from) {
  Hang hang;
  const Reader kind = from.at("kind");
  if (const auto parsed = parse_hang_kind(kind.text())) {
    hang.kind = *parsed;
  } else {
    kind.complain(fmt::format("unknown '{}'", kind.text()));
  }
  hang.slowness = from.at("slowness").seconds().value_or(1);
  hang.last_line = from.at("last_line").text();
  if (const Reader nmi = from.at("nmi"); !nmi.is_null()) {
    hang.nmi.emplace().said = nmi.at("said").text();
    if (const Reader report = nmi.at("report"); !report.is_null()) {
      hang.nmi->report = read_report(report);
    }
  }
  return hang;
}

analyzer::Finding read_finding(const Reader& from) {
  analyzer::Finding finding;
  finding.kind = from.at("kind").text();
  finding.summary = from.at("summary").text();
  for (const Reader& each : from.at("evidence").items()) finding.evidence.push_back(each.text());
  const Reader confidence = from.at("confidence");
  if (const auto parsed = analyzer::parse_confidence(confidence.text())) {
    finding.confidence = *parsed;
  } else {
    confidence.complain(fmt::format("unknown '{}'", confidence.text()));
  }
  return finding;
}

Attempt read_attempt(const Reader& from) {
  Attempt attempt;
  const Reader outcome = from.at("outcome");
  if (const auto parsed = verdict::parse_outcome(outcome.text())) {
    attempt.outcome = *parsed;
  } else {
    outcome.complain(fmt::format("unknown '{}'", outcome.text()));
  }
  const Reader seconds = from.at("seconds");
  attempt.seconds = {.boot = seconds.at("boot").seconds(),
                     .crash = seconds.at("crash").seconds(),
                     .capture = seconds.at("capture").seconds(),
                     .analyze = seconds.at("analyze").seconds()};
  attempt.work = from.at("work").number();
  attempt.work_per_second = from.at("work_per_second").seconds();
  if (const auto time = from.at("watchdog").number()) {
    attempt.watchdog = std::chrono::seconds(*time);
  }
  if (!from.at("stopped").is_null()) attempt.stopped = read_stop(from.at("stopped"));
  if (!from.at("hang").is_null()) attempt.hang = read_hang(from.at("hang"));
  if (!from.at("report").is_null()) attempt.report = read_report(from.at("report"));
  if (!from.at("finding").is_null()) attempt.finding = read_finding(from.at("finding"));
  for (const Reader& check : from.at("checks").items()) {
    attempt.checks.push_back({.predicate = check.at("predicate").text(),
                              .expected = check.at("expected").text(),
                              .found = check.at("found").text(),
                              .holds = check.at("holds").flag()});
  }
  attempt.error = from.at("error").text();
  attempt.reason = from.at("reason").text();
  for (const Reader& error : from.at("retried").items()) attempt.retried.push_back(error.text());
  attempt.core = from.at("core").text();
  attempt.captured_by = from.at("captured_by").text();
  attempt.machine_core = from.at("machine_core").text();
  for (const Reader& line : from.at("core_differences").items()) {
    attempt.core_differences.push_back(line.text());
  }
  attempt.core_format = from.at("core_format").text();
  attempt.findings = from.at("findings").text();
  attempt.console = from.at("console").text();
  attempt.command_line = from.at("command_line").text();
  attempt.accelerator = from.at("accelerator").text();
  attempt.backend_version = from.at("backend_version").text();
  return attempt;
}

cmdline::Effect read_effect(const Reader& from) {
  cmdline::Effect effect;
  effect.parameter = from.at("parameter").text();
  effect.how = from.at("how").text();
  const Reader state = from.at("state");
  if (const auto parsed = cmdline::parse_state(state.text())) {
    effect.state = *parsed;
  } else {
    state.complain(fmt::format("unknown '{}'", state.text()));
  }
  return effect;
}

CellRecord read_cell(const Reader& from) {
  CellRecord cell;
  cell.scenario = from.at("scenario").text();
  cell.arch = from.at("arch").text();
  cell.kernel = from.at("kernel").text();
  cell.detector = from.at("detector").text();
  cell.variant = from.at("variant").text();
  cell.kernel_release = from.at("kernel_release").text();
  cell.kernel_package = from.at("kernel_package").text();
  cell.kernel_version = from.at("kernel_version").text();
  cell.boot = from.at("boot").text();
  cell.cmdline = from.at("cmdline").text();
  cell.module_file = from.at("module_file").text();
  cell.module_sha256 = from.at("module_sha256").text();
  for (const Reader& effect : from.at("parameters").items()) {
    cell.parameters.push_back(read_effect(effect));
  }
  for (const Reader& name : from.at("ignored_ok").items()) cell.ignored_ok.push_back(name.text());
  cell.not_checked = from.at("not_checked").text();
  const Reader verdict = from.at("verdict");
  if (const auto parsed = verdict::parse_verdict(verdict.text())) {
    cell.verdict = *parsed;
  } else {
    verdict.complain(fmt::format("unknown '{}'", verdict.text()));
  }
  for (const Reader& attempt : from.at("attempts").items()) {
    cell.attempts.push_back(read_attempt(attempt));
  }
  return cell;
}

}  // namespace

json::object json_of(const RunRecord& run) {
  json::array cells;
  for (const CellRecord& cell : run.cells) {
    json::object object = write_head(cell);
    object["verdict"] = text(verdict::to_string(cell.verdict));
    json::array attempts;
    for (const Attempt& attempt : cell.attempts) attempts.push_back(write(attempt));
    object["attempts"] = std::move(attempts);
    cells.push_back(std::move(object));
  }
  return {{"schema", kSchema}, {"run", text(run.run)}, {"ok", run.ok}, {"cells", std::move(cells)}};
}

std::string to_json(const RunRecord& run) {
  return pretty(json_of(run));
}

std::string to_json(const CellRecord& cell, unsigned number, const Attempt& attempt) {
  json::object object{{"schema", kSchema}};
  for (const auto& pair : write_head(cell)) object[pair.key()] = pair.value();
  object["number"] = number;
  object["attempt"] = write(attempt);
  return pretty(object);
}

Result<RunRecord> parse_run(std::string_view text) {
  boost::system::error_code failed;
  const json::value document = json::parse({text.data(), text.size()}, failed);
  if (failed) return fail(Blame::kInput, "not JSON: {}", failed.message());
  std::string error;
  const Reader root(document, "", error);
  const auto schema = root.at("schema").number();
  if (error.empty() && schema != kSchema) {
    return fail_hint(Blame::kInput, "it was written by another version of crashrig",
                     "schema {} instead of {}", schema.value_or(0), kSchema);
  }
  RunRecord run;
  run.run = root.at("run").text();
  run.ok = root.at("ok").flag();
  for (const Reader& cell : root.at("cells").items()) run.cells.push_back(read_cell(cell));
  if (!error.empty()) return fail(Blame::kInput, "{}", error);
  return run;
}

}  // namespace rig::store
