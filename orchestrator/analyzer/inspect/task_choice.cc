// SPDX-License-Identifier: Apache-2.0
#include "analyzer/inspect/task_choice.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kAddressDigits = 16;

std::optional<std::uint64_t> parse_hex(std::string_view word) {
  std::uint64_t value = 0;
  const auto end = word.data() + word.size();
  const auto parsed = std::from_chars(word.data(), end, value, 16);
  return parsed.ec == std::errc() && parsed.ptr == end ? std::optional(value) : std::nullopt;
}

// The address that a word means: with 0x, or as long as an address is.
std::optional<VirtAddr> address_word(std::string_view word) {
  const bool marked = word.starts_with("0x");
  if (!marked && word.size() != kAddressDigits) return std::nullopt;
  if (marked) word.remove_prefix(2);
  const auto value = parse_hex(word);
  return value ? std::optional(VirtAddr{*value}) : std::nullopt;
}

bool means(const TaskFacts& task, std::string_view word) {
  if (const auto at = address_word(word)) return task.at == *at;
  if (const auto pid = parse_u64(word)) return task.pid == *pid;
  return task.comm == word;
}

}  // namespace

Result<std::vector<TaskFacts>> choose_tasks(const std::vector<TaskFacts>& tasks,
                                            std::span<const std::string> words) {
  for (const std::string& word : words) {
    if (std::ranges::any_of(tasks, [&](const TaskFacts& task) { return means(task, word); })) {
      continue;
    }
    std::vector<std::string> names;
    for (const TaskFacts& task : tasks) names.push_back(printable(task.comm));
    const auto near = nearest(word, names);
    return fail_hint(Blame::kInput, "ps lists all tasks", "no task '{}'{}", word,
                     near ? fmt::format(", did you mean '{}'?", *near) : std::string());
  }
  std::vector<TaskFacts> chosen;
  std::ranges::copy_if(tasks, std::back_inserter(chosen), [&](const TaskFacts& task) {
    return std::ranges::any_of(words, [&](const std::string& word) { return means(task, word); });
  });
  return chosen;
}

Result<TaskFacts> choose_task(Session& session, std::span<const std::string> words) {
  RIG_ASSIGN(const std::vector<TaskFacts> tasks, task_facts(session));
  if (words.size() > 1) return fail(Blame::kInput, "one task at a time, '{}' is another", words[1]);
  if (!words.empty()) {
    RIG_ASSIGN(const std::vector<TaskFacts> chosen, choose_tasks(tasks, words));
    return chosen.front();
  }
  const CpuSnapshot* cpu = session.panic_cpu();
  const auto found = std::ranges::find_if(
      tasks, [&](const TaskFacts& task) { return cpu && cpu->task && cpu->task->at == task.at; });
  if (found != tasks.end()) return *found;
  return fail_hint(Blame::kInput, "name a task by PID, address or name",
                   "which task ran when the machine stopped is not known");
}

std::string task_headline(const TaskFacts& task) {
  return fmt::format("PID: {:<8} TASK: {:x}  CPU: {:<4} COMMAND: \"{}\"\n", task.pid, raw(task.at),
                     task.cpu ? std::to_string(*task.cpu) : "?", printable(task.comm));
}

std::string note_lines(const std::vector<std::string>& notes) {
  std::string text;
  for (const std::string& each : notes) text += fmt::format("note: {}\n", printable(each));
  return text;
}

}  // namespace rig::analyzer
