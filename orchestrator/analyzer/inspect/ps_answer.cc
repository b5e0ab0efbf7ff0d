// SPDX-License-Identifier: Apache-2.0
// `ps`: the tasks, in the columns that people know from crash.
#include <algorithm>
#include <boost/json.hpp>

#include "analyzer/facts/system_facts.h"
#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "analyzer/inspect/ps_forms.h"
#include "analyzer/inspect/task_choice.h"

namespace rig::analyzer {
namespace {

constexpr std::string_view kPsUsage = "ps [-k | -u | -G] [-p | -m | -t] [PID | TASK | COMM ...]";

enum class Form { kTable, kParents, kLastRun, kTimes };
struct FormOption {
  std::string_view option;
  Form form;
};
constexpr FormOption kForms[] = {
    {"-p", Form::kParents}, {"-m", Form::kLastRun}, {"-t", Form::kTimes}};

struct PsOptions {
  bool kernel = false, user = false, leaders = false;
  Form form = Form::kTable;
  std::vector<std::string> words;
};

Result<PsOptions> parse_options(Arguments arguments) {
  PsOptions options;
  for (const std::string& each : arguments) {
    const auto form = std::ranges::find(kForms, each, &FormOption::option);
    if (form != std::end(kForms)) {
      options.form = form->form;
    } else if (each == "-k") {
      options.kernel = true;
    } else if (each == "-u") {
      options.user = true;
    } else if (each == "-G") {
      options.leaders = true;
    } else if (each.starts_with('-')) {
      return fail_hint(Blame::kInput, fmt::format("usage: {}", kPsUsage), "ps: no option '{}'",
                       each);
    } else {
      options.words.push_back(each);
    }
  }
  if (options.kernel && options.user) {
    return fail_hint(Blame::kInput, fmt::format("usage: {}", kPsUsage),
                     "ps: -k and -u leave nothing");
  }
  return options;
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

  Answer answer;
  switch (options.form) {
    case Form::kTable:
      answer.text = ps_table(tasks, managed_memory(session).value_or(0));
      break;
    case Form::kLastRun:
      answer.text = ps_last_run(tasks, all);
      break;
    case Form::kTimes: {
      RIG_ASSIGN(const SystemFacts system, system_facts(session));
      answer.text = ps_times(tasks, system.uptime);
      break;
    }
    case Form::kParents:
      for (const TaskFacts& task : tasks) answer.text += ps_parents(task, all);
      break;
  }
  answer.json = boost::json::serialize(list(tasks, task_json));
  return answer;
}

}  // namespace rig::analyzer
