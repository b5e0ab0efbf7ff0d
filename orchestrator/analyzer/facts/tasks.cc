// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/tasks.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxTasks = 1 << 17;

// The tasks linked through the list_head at `link` of a task, after the one that holds `head`.
// `visit` returns false to stop. Returns whether the list closed.
template <typename Visit>
bool follow(const Kernel& kernel, VirtAddr head, std::uint64_t link, std::size_t limit,
            Visit visit) {
  auto next = kernel.memory().load<std::uint64_t>(head);
  for (std::size_t i = 0; next && i < limit; ++i) {
    if (*next == raw(head)) return true;
    if (!visit(VirtAddr{*next - link})) return false;
    next = kernel.memory().load<std::uint64_t>(VirtAddr{*next});
  }
  return false;
}

}  // namespace

std::optional<Task> read_task(const Kernel& kernel, const Architecture& arch, VirtAddr at) {
  if (raw(at) == 0 || !kernel.types()) return std::nullopt;
  const auto pid = kernel.field(at, "task_struct.pid");
  const auto stack = kernel.field(at, "task_struct.stack");
  if (!pid || !stack) return std::nullopt;
  Task task{at, kernel.text_field(at, "task_struct.comm"), *pid, {}};
  const auto size = kernel.types()->size_of("thread_union").value_or(arch.task_stack_size);
  if (*stack != 0) {
    task.stack = {fmt::format("stack of task {} ({})", *pid, task.comm), VirtAddr{*stack}, size};
  }
  return task;
}

std::vector<Task> all_tasks(const Kernel& kernel, const Architecture& arch,
                            std::vector<std::string>& remarks) {
  std::vector<Task> tasks;
  const auto first = kernel.symbol("init_task");
  const auto leaders = kernel.member("task_struct.tasks");
  // Since 0c740d0afc3b (v3.14) threads hang on their signal_struct.
  const auto signal = kernel.member("task_struct.signal");
  const auto threads = kernel.member("task_struct.thread_node");
  const auto head = kernel.member("signal_struct.thread_head");
  if (!first || !leaders || !signal || !threads || !head) return tasks;

  bool whole = true;
  const auto add = [&](VirtAddr at) {
    auto task = read_task(kernel, arch, at);
    if (!task) return false;
    tasks.push_back(*std::move(task));
    return tasks.size() < kMaxTasks;
  };
  add(*first);
  const bool closed =
      follow(kernel, *first + leaders->offset, leaders->offset, kMaxTasks, [&](VirtAddr leader) {
        const auto owner = kernel.memory().load<std::uint64_t>(leader + signal->offset);
        if (!owner) return false;
        bool seen_leader = false;
        whole &= follow(kernel, VirtAddr{*owner} + head->offset, threads->offset, kMaxTasks,
                        [&](VirtAddr thread) {
                          seen_leader |= thread == leader;
                          return add(thread);
                        });
        return (seen_leader || add(leader)) && tasks.size() < kMaxTasks;
      });
  if (!closed || !whole) {
    remarks.push_back(
        fmt::format("tasks: a list of tasks is broken, {} were found before", tasks.size()));
  }
  return tasks;
}

}  // namespace rig::analyzer
