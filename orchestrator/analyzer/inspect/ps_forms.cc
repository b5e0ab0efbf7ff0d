// SPDX-License-Identifier: Apache-2.0
#include "analyzer/inspect/ps_forms.h"

#include <algorithm>

#include "analyzer/inspect/task_choice.h"
#include "base/text_table.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxParents = 64;
constexpr double kNanosecondsPerSecond = 1e9;

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

}  // namespace

std::string ps_table(const std::vector<TaskFacts>& tasks, std::uint64_t memory) {
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

std::string ps_parents(const TaskFacts& task, const std::vector<TaskFacts>& all) {
  std::vector<const TaskFacts*> chain{&task};
  while (chain.size() < kMaxParents) {
    const auto parent = std::ranges::find(all, chain.back()->parent_task, &TaskFacts::at);
    const auto known = [&](const TaskFacts* each) { return each->at == parent->at; };
    if (parent == all.end() || std::ranges::any_of(chain, known)) break;
    chain.push_back(&*parent);
  }
  std::string text;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    text += std::string(i, ' ') + task_headline(*chain[chain.size() - 1 - i]);
  }
  return text + '\n';
}

std::string ps_last_run(std::vector<TaskFacts> tasks, const std::vector<TaskFacts>& all) {
  std::uint64_t now = 0;
  for (const TaskFacts& each : all) now = std::max(now, each.last_run.value_or(0));
  std::ranges::stable_sort(tasks, [](const TaskFacts& a, const TaskFacts& b) {
    return a.last_run.value_or(0) > b.last_run.value_or(0);
  });
  TextTable table({"<", ">AGO", "<ST", ">PID", "<TASK", ">CPU", "<COMM"});
  for (const TaskFacts& each : tasks) {
    const double ago = static_cast<double>(now - each.last_run.value_or(0)) / kNanosecondsPerSecond;
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

std::string ps_times(const std::vector<TaskFacts>& tasks, const std::optional<double>& uptime) {
  const auto seconds = [](const std::optional<std::uint64_t>& ns) {
    return ns ? fmt::format("{:.6f}", static_cast<double>(*ns) / kNanosecondsPerSecond) : "?";
  };
  TextTable table({">PID", "<TASK", "<ST", ">STARTED", ">AGE", ">USER", ">SYSTEM", "<COMM"});
  for (const TaskFacts& each : tasks) {
    const bool dated = each.started && uptime;
    const double age =
        dated ? *uptime - static_cast<double>(*each.started) / kNanosecondsPerSecond : 0;
    table.row({std::to_string(each.pid), fmt::format("{:x}", raw(each.at)),
               std::string(two_letters(each.state)), seconds(each.started),
               dated ? fmt::format("{:.3f}", age) : "?", seconds(each.user_time),
               seconds(each.system_time), command(each)});
  }
  return table.text();
}

}  // namespace rig::analyzer
