// SPDX-License-Identifier: Apache-2.0
// `sys`: the guest in a dozen lines, as crash begins.
#include <boost/json.hpp>

#include "analyzer/facts/memory_size.h"
#include "analyzer/facts/system_facts.h"
#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "analyzer/inspect/log_dates.h"
#include "analyzer/inspect/task_choice.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kLabelWidth = 12;

std::string row(std::string_view label, std::string_view value) {
  return fmt::format("{:>{}}: {}\n", label, kLabelWidth, printable(value));
}

std::string duration(double seconds) {
  const auto whole = static_cast<std::uint64_t>(seconds);
  const std::string clock =
      fmt::format("{:02}:{:02}:{:02}", whole / 3600 % 24, whole / 60 % 60, whole % 60);
  return whole < 86400 ? clock : fmt::format("{} days, {}", whole / 86400, clock);
}

std::string cpu_words(const SystemFacts& facts, std::size_t notes) {
  std::string words = fmt::format("{}", notes);
  if (facts.cpus_possible) words += fmt::format(", {} possible", *facts.cpus_possible);
  if (facts.cpus_online) words += fmt::format(", {} marked online", *facts.cpus_online);
  return words;
}

std::string load_words(const std::vector<double>& values) {
  std::string words;
  for (const double each : values)
    words += fmt::format("{}{:.2f}", words.empty() ? "" : ", ", each);
  return words;
}

std::string panic_lines(const PanicFacts& panic) {
  std::string text = row("PANIC", fmt::format("\"{}\"", panic.message));
  if (!panic.cpu) return text;
  text += row("ON CPU", fmt::format("{}", *panic.cpu));
  if (panic.task) {
    text += row("IN TASK", fmt::format("{:x}, PID {} \"{}\"", raw(*panic.task),
                                       panic.pid.value_or(0), panic.comm));
  }
  return text;
}

std::string taint_lines(const SystemFacts& facts) {
  std::string text;
  for (const TaintFlag& each : facts.taint) {
    text += row(text.empty() ? "TAINTED" : "", fmt::format("{}: {}", each.letter, each.meaning));
  }
  return text;
}

}  // namespace

Result<Answer> answer_sys(Session& session, Arguments arguments) {
  RIG_TRY(expect_no_arguments("sys", arguments));
  RIG_ASSIGN(const SystemFacts facts, system_facts(session));
  std::string text = row("CPUS", cpu_words(facts, session.core().cpus().size()));
  if (facts.crash_time)
    text += row("DATE", calendar_time(*facts.crash_time, "%a %b %d %H:%M:%S UTC %Y"));
  if (facts.uptime) text += row("UPTIME", duration(*facts.uptime));
  if (!facts.load_average.empty()) text += row("LOAD AVERAGE", load_words(facts.load_average));
  if (facts.tasks) text += row("TASKS", std::to_string(*facts.tasks));
  text += row("NODENAME", facts.hostname);
  text += row("RELEASE", facts.release);
  text += row("VERSION", facts.version);
  text += row("MACHINE", facts.machine);
  if (facts.memory_bytes) text += row("MEMORY", memory_size(*facts.memory_bytes));
  if (!facts.cmdline.empty()) text += row("CMDLINE", facts.cmdline);
  if (facts.panic) text += panic_lines(*facts.panic);
  text += taint_lines(facts);
  text += note_lines(facts.problems);
  return Answer{std::move(text), boost::json::serialize(system_json(facts))};
}

}  // namespace rig::analyzer
