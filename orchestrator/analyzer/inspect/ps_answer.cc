// SPDX-License-Identifier: Apache-2.0
// `ps`: the tasks, in the columns that people know from crash.
#include <algorithm>
#include <boost/json.hpp>

#include "analyzer/facts/system_facts.h"
#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "analyzer/inspect/task_choice.h"
#include "analyzer/inspect/text_table.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::string_view kUsage = "ps [-k | -u | -G] [-p | -m | -t] [PID | TASK | COMM ...]";
constexpr std::size_t kMaxGenerations = 64;
constexpr double kNanoseconds = 1e9;

enum class Form { kTable, kParents, kLastRun, kTimes };

struct PsOptions {
  bool kernel = false, user = false, leaders = false;
  Form form = Form::kTable;
  std::vector<std::string> words;
};

Result<PsOptions> parse_options(Arguments arguments) {
  PsOptions options;
  for (const std::string& each : arguments) {
    if (each == "-k")
      options.kernel = true;
    else if (each == "-u")
      options.user = true;
    else if (each == "-G")
      options.leaders = true;
    else if (each == "-p")
      options.form = Form::kParents;
    else if (each == "-m")
      options.form = Form::kLastRun;
    else if (each == "-t")
      options.form = Form::kTimes;
    else if (each.starts_with('-')) {
      return fail_hint(Blame::kInput, std::string(kUsage), "ps: no option '{}'", each);
    } else
      options.words.push_back(each);
  }
  if (options.kernel && options.user) {
    return fail_hint(Blame::kInput, std::string(kUsage), "ps: -k and -u leave nothing");
  }
  return options;
}

// crash's two letters for a state.
std::string_view two_letters(char state) {
  switch (state) {
    case 'R':
      return "RU";
    case 'S':
      return "IN";
    case 'D':
      return "UN";
    case 'T':
      return "ST";
    case 't':
      return "TR";
    case 'X':
      return "DE";
    case 'Z':
      return "ZO";
    case 'P':
      return "PA";
    case 'I':
      return "ID";
    default:
      return "??";
  }
}

std::string command(const TaskFacts& task) {
  return task.kernel_thread || task.idle ? "[" + task.comm + "]" : task.comm;
}

std::string kilobytes(const std::optional<std::uint64_t>& bytes) {
  return std::to_string(bytes.value_or(0) / 1024);
}

std::string table(const std::vector<TaskFacts>& tasks, std::uint64_t memory) {
  TextTable table({"<", ">PID", ">PPID", ">CPU", "<TASK", "<ST", ">%MEM", ">VSZ", ">RSS", "<COMM"});
  for (const TaskFacts& task : tasks) {
    const double share = memory == 0 ? 0
                                     : 100.0 * static_cast<double>(task.rss.value_or(0)) /
                                           static_cast<double>(memory);
    table.row({task.running ? ">" : "", std::to_string(task.pid), std::to_string(task.parent),
               task.cpu ? std::to_string(*task.cpu) : "?", fmt::format("{:x}", raw(task.at)),
               std::string(two_letters(task.state)),
               memory == 0 ? "?" : fmt::format("{:.1f}", share), kilobytes(task.vsize),
               kilobytes(task.rss), command(task)});
  }
  return table.text();
}

// From the first ancestor down to the task, one step further in on each line.
std::string parents(const TaskFacts& task, const std::vector<TaskFacts>& all) {
  std::vector<const TaskFacts*> chain{&task};
  while (chain.size() < kMaxGenerations) {
    const auto parent = std::ranges::find(all, chain.back()->parent_task, &TaskFacts::at);
    if (parent == all.end() || std::ranges::find(chain, &*parent) != chain.end()) break;
    chain.push_back(&*parent);
  }
  std::string text;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    text += std::string(i, ' ') + task_headline(*chain[chain.size() - 1 - i]);
  }
  return text + '\n';
}

// What passed since a task got its CPU, by the clock of the task that got one last.
std::string last_run(std::vector<TaskFacts> tasks, const std::vector<TaskFacts>& all) {
  std::uint64_t now = 0;
  for (const TaskFacts& each : all) now = std::max(now, each.last_run.value_or(0));
  std::ranges::stable_sort(tasks, [](const TaskFacts& a, const TaskFacts& b) {
    return a.last_run.value_or(0) > b.last_run.value_or(0);
  });
  TextTable table({"<", ">AGO", "<ST", ">PID", "<TASK", ">CPU", "<COMM"});
  for (const TaskFacts& each : tasks) {
    const double ago = static_cast<double>(now - each.last_run.value_or(0)) / kNanoseconds;
    table.row({each.running ? ">" : "",
               !each.last_run        ? "?"
               : *each.last_run == 0 ? "never"
                                     : fmt::format("{:.6f}", ago),
               std::string(two_letters(each.state)), std::to_string(each.pid),
               fmt::format("{:x}", raw(each.at)), each.cpu ? std::to_string(*each.cpu) : "?",
               command(each)});
  }
  return table.text();
}

std::string times(const std::vector<TaskFacts>& tasks, const std::optional<double>& uptime) {
  const auto seconds = [](const std::optional<std::uint64_t>& ns) {
    return ns ? fmt::format("{:.6f}", static_cast<double>(*ns) / kNanoseconds) : "?";
  };
  TextTable table({">PID", "<TASK", "<ST", ">STARTED", ">AGE", ">USER", ">SYSTEM", "<COMM"});
  for (const TaskFacts& each : tasks) {
    const bool dated = each.started && uptime;
    const double age = dated ? *uptime - static_cast<double>(*each.started) / kNanoseconds : 0;
    table.row({std::to_string(each.pid), fmt::format("{:x}", raw(each.at)),
               std::string(two_letters(each.state)), seconds(each.started),
               dated ? fmt::format("{:.3f}", age) : "?", seconds(each.user_time),
               seconds(each.system_time), command(each)});
  }
  return table.text();
}

bool wanted(const TaskFacts& task, const PsOptions& options) {
  const bool kernel = task.kernel_thread || task.idle;
  if (options.kernel && !kernel) return false;
  if (options.user && kernel) return false;
  return !options.leaders || task.pid == task.tgid;
}

}  // namespace

Result<Answer> answer_ps(Session& session, Arguments arguments) {
  RIG_ASSIGN(const PsOptions options, parse_options(arguments));
  RIG_ASSIGN(const std::vector<TaskFacts> all, task_facts(session));
  if (all.empty()) {
    return fail(Blame::kInput, "ps: no task can be found (neither init_task nor a CPU's own)");
  }
  std::vector<TaskFacts> tasks = all;
  if (!options.words.empty()) {
    RIG_ASSIGN(tasks, choose_tasks(all, options.words));
  }
  std::erase_if(tasks, [&](const TaskFacts& task) { return !wanted(task, options); });

  RIG_ASSIGN(const SystemFacts system, system_facts(session));
  Answer answer;
  switch (options.form) {
    case Form::kTable:
      answer.text = table(tasks, system.memory_bytes.value_or(0));
      break;
    case Form::kLastRun:
      answer.text = last_run(tasks, all);
      break;
    case Form::kTimes:
      answer.text = times(tasks, system.uptime);
      break;
    case Form::kParents:
      for (const TaskFacts& task : tasks) answer.text += parents(task, all);
      break;
  }
  answer.json = boost::json::serialize(list(tasks, task_json));
  return answer;
}

}  // namespace rig::analyzer
