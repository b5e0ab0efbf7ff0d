// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/tasks.h"

#include <unordered_map>

#include "analyzer/arch/kernel_config.h"
#include "analyzer/core/limits.h"
#include "analyzer/facts/guest_walks.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxTasks = 1 << 17;
constexpr std::size_t kMaxNamed = 4;  // in one remark
// What any task_struct keeps to: PID_MAX_LIMIT of 64-bit kernels (include/linux/threads.h), and
// stacks begin at a page.
constexpr std::uint64_t kMaxPid = 4 << 20;
constexpr std::uint64_t kMinStack = 4096;

// What a task was found through.
enum Way : unsigned { kOnList = 1, kHasPid = 2, kIsIdle = 4, kOnCpu = 8 };

class TaskCollector {
 public:
  TaskCollector(const Kernel& kernel, const Architecture& arch, std::vector<std::string>& remarks)
      : kernel_(kernel), arch_(arch), fields_(kernel), remarks_(remarks) {}

  std::vector<Task> collect() {
    const auto cpus = add_idle();
    const bool listed = add_listed();
    const bool numbered = add_numbered();
    for (const unsigned cpu : cpus) {
      if (const auto current = arch_.current_task(kernel_, cpu)) add(*current, kOnCpu);
    }
    compare(listed, numbered);
    return std::move(tasks_);
  }

 private:
  void add(VirtAddr at, Way way) {
    if (const auto known = index_.find(raw(at)); known != index_.end()) {
      ways_[known->second] |= way;
      return;
    }
    auto task = tasks_.size() < kMaxTasks ? read_task(kernel_, arch_, at) : std::nullopt;
    if (!task) {
      ++unreadable_;
      return;
    }
    index_.emplace(raw(at), tasks_.size());
    tasks_.push_back(*std::move(task));
    ways_.push_back(way);
  }

  // Returns the CPUs that there are: where the kernel does not say how many, those whose runqueue
  // knows its CPU.
  std::vector<unsigned> add_idle() {
    std::vector<unsigned> cpus;
    const auto offsets = kernel_.per_cpu_offsets(kMaxCpus);
    const auto queues = kernel_.symbol("runqueues");
    for (unsigned cpu = 0; cpu < offsets.size(); ++cpu) {
      if (offsets[cpu] == 0) continue;
      if (queues) {
        const VirtAddr queue = *queues + offsets[cpu];
        if (fields_.value(queue, "rq.cpu").value_or(cpu) != cpu) continue;
        if (const auto idle = fields_.pointer(queue, "rq.idle")) add(*idle, kIsIdle);
      }
      cpus.push_back(cpu);
    }
    return cpus;
  }

  // Whether the list could be followed to its end.
  bool add_listed() {
    const auto first = kernel_.symbol("init_task");
    const auto leaders = fields_.member("task_struct.tasks");
    // Since 0c740d0afc3b (v3.14) threads hang on their signal_struct.
    const auto threads = fields_.member("task_struct.thread_node");
    const auto head = fields_.member("signal_struct.thread_head");
    if (!first || !leaders || !threads || !head) return false;
    add(*first, kOnList);
    std::string broken_thread;
    const auto broken = walk_list(
        kernel_.memory(), *first + leaders->offset, leaders->offset,
        [&](VirtAddr leader) {
          add(leader, kOnList);
          const auto signal = fields_.pointer(leader, "task_struct.signal");
          if (!signal) return;
          auto end = walk_list(
              kernel_.memory(), *signal + head->offset, threads->offset,
              [&](VirtAddr thread) {
                add(thread, kOnList);
                --threads_left_;
              },
              threads_left_);
          if (!end.empty() && broken_thread.empty()) broken_thread = std::move(end);
        },
        kMaxTasks);
    for (const auto& why : {broken, broken_thread}) {
      if (why.empty()) continue;
      remarks_.push_back(fmt::format("tasks: a list of tasks is broken ({}), {} were found before",
                                     why, tasks_.size()));
      break;
    }
    return broken.empty() && broken_thread.empty();
  }

  // The table of PIDs, since 95846ecf9dac (v4.15) an IDR: kernel/pid.c.
  bool add_numbered() {
    const auto space = kernel_.symbol("init_pid_ns");
    const auto root = space ? fields_.place(*space, "pid_namespace.idr.idr_rt") : std::nullopt;
    // pid.tasks[PIDTYPE_PID], the first of them, heads the tasks with that PID. Tasks hang there
    // with pid_links since 2c4704756cab (v4.19), before with pids[].node.
    const auto heads = fields_.member("pid.tasks");
    auto link = fields_.member("task_struct.pid_links");
    if (!link) link = fields_.member("task_struct.pids");
    if (!root || !heads || !link) return false;
    const auto broken = walk_xarray(
        fields_, *root,
        [&](std::uint64_t, VirtAddr pid) {
          const auto first = kernel_.memory().load<std::uint64_t>(pid + heads->offset);
          if (first && *first != 0) add(VirtAddr{*first} - link->offset, kHasPid);
        },
        kMaxTasks);
    if (!broken.empty()) {
      remarks_.push_back(fmt::format("tasks: the table of PIDs is broken ({})", broken));
    }
    return broken.empty();
  }

  template <typename Odd>
  void remark(std::string_view what, Odd odd) {
    std::string names;
    std::size_t count = 0;
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      if (!odd(tasks_[i], ways_[i])) continue;
      if (++count > kMaxNamed) continue;
      names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", tasks_[i].pid.value_or(0),
                           tasks_[i].comm);
    }
    if (count == 0) return;
    if (count > kMaxNamed) names += fmt::format(" and {} more", count - kMaxNamed);
    remarks_.push_back(fmt::format("tasks: {}: {}", what, names));
  }

  void compare(bool listed, bool numbered) {
    if (listed) {
      remark("known to the table of PIDs, but on no list", [](const Task&, unsigned ways) {
        return (ways & kHasPid) != 0 && (ways & kOnList) == 0;
      });
      remark("run by a CPU, but on no list", [](const Task&, unsigned ways) {
        return (ways & kOnCpu) != 0 && (ways & (kOnList | kIsIdle | kHasPid)) == 0;
      });
    }
    if (numbered) {
      remark("on the list, but not in the table of PIDs", [](const Task& task, unsigned ways) {
        return (ways & kOnList) != 0 && (ways & kHasPid) == 0 && task.pid.value_or(0) != 0;
      });
    }
    if (unreadable_ != 0) {
      remarks_.push_back(fmt::format("tasks: {} more cannot be read", unreadable_));
    }
  }

  const Kernel& kernel_;
  const Architecture& arch_;
  FieldReader fields_;
  std::vector<std::string>& remarks_;
  std::vector<Task> tasks_;
  std::vector<unsigned> ways_;  // of tasks_
  std::unordered_map<std::uint64_t, std::size_t> index_;
  std::size_t unreadable_ = 0;
  std::size_t threads_left_ = kMaxTasks;  // for all lists of threads: they may share their tails
};

}  // namespace

std::optional<Task> read_task(const Kernel& kernel, const Architecture& arch, VirtAddr at) {
  if (raw(at) == 0 || !kernel.types()) return std::nullopt;
  const auto pid = kernel.field(at, "task_struct.pid");
  const auto stack = kernel.field(at, "task_struct.stack");
  if (!pid || !stack || *pid > kMaxPid || *stack % kMinStack != 0) return std::nullopt;
  Task task{at, kernel.text_field(at, "task_struct.comm"), *pid, {}};
  const auto size = task_stack_size(kernel, arch.task_stack_size);
  if (*stack != 0) {
    task.stack = {fmt::format("stack of task {} ({})", *pid, task.comm), VirtAddr{*stack}, size};
  }
  return task;
}

std::vector<Task> all_tasks(const Kernel& kernel, const Architecture& arch,
                            std::vector<std::string>& remarks) {
  if (!kernel.types()) return {};
  return TaskCollector(kernel, arch, remarks).collect();
}

}  // namespace rig::analyzer
