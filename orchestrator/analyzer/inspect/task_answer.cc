// SPDX-License-Identifier: Apache-2.0
// `task`: one task in words.
#include <boost/json.hpp>

#include <algorithm>

#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "analyzer/inspect/task_choice.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::string_view kTaskUsage = "task [PID | TASK | COMM] [-R MEMBER[,MEMBER ...]]";
constexpr std::size_t kMaxGenerations = 16;
constexpr double kNanoseconds = 1e9;

struct TaskOptions {
  std::vector<std::string> words;
  std::vector<std::string> members;
};

Result<TaskOptions> parse_task_options(Arguments arguments) {
  TaskOptions options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& each = arguments[i];
    if (each == "-R") {
      if (++i == arguments.size()) {
        return fail_hint(Blame::kInput, fmt::format("usage: {}", kTaskUsage),
                         "task: -R wants members");
      }
      for (std::string& name : split(arguments[i], ',')) {
        if (!name.empty()) options.members.push_back(std::move(name));
      }
    } else if (each.starts_with('-')) {
      return fail_hint(Blame::kInput, fmt::format("usage: {}", kTaskUsage), "task: no option '{}'",
                       each);
    } else {
      options.words.push_back(each);
    }
  }
  return options;
}

std::string field(std::string_view label, std::string_view value) {
  return fmt::format("{:>10}: {}\n", label, printable(value));
}

std::string seconds(const std::optional<std::uint64_t>& nanoseconds) {
  if (!nanoseconds) return "?";
  return fmt::format("{:.6f} s", static_cast<double>(*nanoseconds) / kNanoseconds);
}

std::string parent_words(const TaskFacts& task, const std::vector<TaskFacts>& all) {
  std::string words;
  std::vector<VirtAddr> seen{task.at};
  VirtAddr at = task.parent_task;
  while (seen.size() < kMaxGenerations && std::ranges::find(seen, at) == seen.end()) {
    const auto parent = std::ranges::find(all, at, &TaskFacts::at);
    if (parent == all.end()) break;
    words += fmt::format("{}{} \"{}\"", words.empty() ? "" : " <- ", parent->pid, parent->comm);
    seen.push_back(at);
    at = parent->parent_task;
  }
  return words.empty() ? "none" : words;
}

std::string summary(const TaskFacts& task, const std::vector<TaskFacts>& all) {
  std::string text = task_headline(task);
  text += field("STATE",
                fmt::format("{} ({}){}", task.state, task.state_words,
                            task.running ? fmt::format(", running on CPU {}", task.cpu.value_or(0))
                                         : std::string()));
  text += field("FLAGS", fmt::format("{:#x} {}", task.flags, task_flag_words(task.flags)));
  text += field("KIND", task.idle               ? "idle task of a CPU"
                        : task.kernel_thread    ? "kernel thread"
                        : task.pid != task.tgid ? fmt::format("thread of process {}", task.tgid)
                                                : "process");
  text += field("PARENTS", parent_words(task, all));
  const auto threads = std::ranges::count(all, task.tgid, &TaskFacts::tgid);
  if (!task.idle) text += field("THREADS", std::to_string(threads));
  text += field("STACK", fmt::format("{:x}", raw(task.stack)));
  text += field("MM", raw(task.mm) == 0 ? "none"
                                        : fmt::format("{:x}, VSZ {} kB, RSS {} kB", raw(task.mm),
                                                      task.vsize.value_or(0) / 1024,
                                                      task.rss.value_or(0) / 1024));
  if (task.uid) text += field("UID", std::to_string(*task.uid));
  if (task.priority) text += field("PRIORITY", std::to_string(*task.priority));
  text += field("STARTED", seconds(task.started) + " after the boot");
  text += field("CPU TIME", fmt::format("user {}, system {}", seconds(task.user_time),
                                        seconds(task.system_time)));
  text += field("GOT CPU", seconds(task.last_run) + " by the scheduler's clock");
  return text;
}

// The members as `struct task_struct.MEMBER` prints them.
Result<Answer> members(Session& session, const TaskFacts& task,
                       const std::vector<std::string>& names) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  Answer answer{task_headline(task), {}};
  boost::json::object values;
  for (const std::string& name : names) {
    // thread_info is part of the task, where it is at all, since c65eacbe290b (v4.9).
    const std::string inner = "task_struct.thread_info." + name;
    const std::string path = kernel->member("task_struct." + name) || !kernel->member(inner)
                                 ? "task_struct." + name
                                 : inner;
    const std::string words[] = {"struct", path, fmt::format("{:#x}", raw(task.at))};
    RIG_ASSIGN(const Answer value, ask(session, words));
    answer.text += value.text;
    boost::system::error_code broken;
    values[name] = boost::json::parse(value.json, broken);
  }
  answer.json = boost::json::serialize(values);
  return answer;
}

}  // namespace

Result<Answer> answer_task(Session& session, Arguments arguments) {
  RIG_ASSIGN(const TaskOptions options, parse_task_options(arguments));
  RIG_ASSIGN(const TaskFacts task, choose_task(session, options.words));
  if (!options.members.empty()) return members(session, task, options.members);
  RIG_ASSIGN(const std::vector<TaskFacts> all, task_facts(session));
  boost::json::object json = task_json(task);
  json["flag_names"] = task_flag_words(task.flags);
  return Answer{summary(task, all), boost::json::serialize(json)};
}

}  // namespace rig::analyzer
