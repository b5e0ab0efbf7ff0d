// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/waits.h"

#include <algorithm>
#include <unordered_map>

#include "analyzer/facts/clock.h"
#include "analyzer/facts/task_facts.h"

namespace rig::analyzer {
namespace {

constexpr double kSecond = 1e9;
constexpr std::size_t kMaxWaiters = 4096;  // of one lock
constexpr std::uint64_t kWord = sizeof(std::uint64_t);

// How a lock is waited for. The waiter's list_head and task, the lock's list and owner; the bits of
// the owner that are flags, and one that says that the owner is no task (rwsem: its readers have
// it).
struct LockKind {
  std::string_view name;
  std::string_view sleeps_in;  // how the function that waits begins
  std::string_view waiter_list, waiter_task, lock_list, owner;
  std::uint64_t flags, not_a_task;
};
constexpr LockKind kLockKinds[] = {
    // 3ca0ff571b09 (v4.10) put owner and flags into one word.
    {"mutex", "__mutex_lock", "mutex_waiter.list", "mutex_waiter.task", "mutex.wait_list",
     "mutex.owner", 7, 0},
    // 94a9717b3c40 (v5.3): RWSEM_READER_OWNED, RWSEM_NONSPINNABLE.
    {"rwsem", "rwsem_down_", "rwsem_waiter.list", "rwsem_waiter.task", "rw_semaphore.wait_list",
     "rw_semaphore.owner", 7, 1},
};

const LockKind* kind_of(const Backtrace& trace) {
  for (const BacktraceFrame& frame : trace.frames) {
    for (const LockKind& kind : kLockKinds) {
      if (frame.at.function.starts_with(kind.sleeps_in)) return &kind;
    }
  }
  return nullptr;
}

class LockFinder {
 public:
  LockFinder(Session& session, const Kernel& kernel) : fields_(kernel) {
    for (const Task& task : session.tasks()) tasks_.emplace(raw(task.at), &task);
  }

  std::optional<LockFacts> find(const LockKind& kind, const Task& task, VirtAddr sp) const {
    const auto list = fields_.member(kind.waiter_list);
    const auto own = fields_.member(kind.waiter_task);
    if (!list || !own || !task.stack.contains(sp)) return std::nullopt;
    // The waiter is the task's own word with a list around it that leads to a lock.
    for (VirtAddr at = sp; at + own->offset + kWord <= task.stack.end(); at = at + kWord) {
      if (load(at + own->offset) != raw(task.at)) continue;
      if (auto lock = follow(kind, at + list->offset, list->offset, own->offset)) return lock;
    }
    return std::nullopt;
  }

 private:
  std::uint64_t load(VirtAddr at) const {
    return fields_.kernel().memory().load<std::uint64_t>(at).value_or(0);
  }

  bool linked(VirtAddr node) const {
    const VirtAddr next{load(node)};
    return raw(next) != 0 && load(next + kWord) == raw(node);
  }

  // Does a waiter of some task begin there, on that task's stack?
  bool is_waiter(VirtAddr at, std::uint64_t task_offset) const {
    const auto task = tasks_.find(load(at + task_offset));
    return task != tasks_.end() && task->second->stack.contains(at);
  }

  // Along the list of waiters: what is in it and no waiter is the lock's own head.
  std::optional<LockFacts> follow(const LockKind& kind, VirtAddr first, std::uint64_t list_offset,
                                  std::uint64_t task_offset) const {
    VirtAddr node = first;
    for (std::size_t i = 0; i < kMaxWaiters; ++i) {
      if (!linked(node)) return std::nullopt;
      node = VirtAddr{load(node)};
      if (node == first) return std::nullopt;  // no head: it is no list of a lock
      if (!is_waiter(node - list_offset, task_offset)) return lock_at(kind, node);
    }
    return std::nullopt;
  }

  std::optional<LockFacts> lock_at(const LockKind& kind, VirtAddr head) const {
    const auto list = fields_.member(kind.lock_list);
    const auto owner = fields_.member(kind.owner);
    if (!list || !owner) return std::nullopt;
    LockFacts lock;
    lock.kind = kind.name;
    lock.at = head - list->offset;
    if (auto name = fields_.kernel().data(lock.at)) lock.name = symbol_of(*std::move(name));
    const std::uint64_t word = load(lock.at + owner->offset);
    if ((word & kind.not_a_task) != 0 || (word & ~kind.flags) == 0) return lock;
    const auto task = tasks_.find(word & ~kind.flags);
    if (task == tasks_.end()) return std::nullopt;  // no lock has such an owner
    lock.owner = task->second->at;
    lock.owner_comm = task->second->comm;
    lock.owner_pid = task->second->pid;
    return lock;
  }

  // "hang_first+0x0 [hang]" -> "hang_first [hang]"
  static std::string symbol_of(std::string name) {
    constexpr std::string_view kNoOffset = "+0x0";
    const auto plus = name.find(kNoOffset);
    const auto end = plus == std::string::npos ? plus : plus + kNoOffset.size();
    if (plus != std::string::npos && (end == name.size() || name[end] == ' ')) {
      name.erase(plus, kNoOffset.size());
    }
    return name;
  }

  FieldReader fields_;
  std::unordered_map<std::uint64_t, const Task*> tasks_;
};

// By the scheduler's clock. The timekeeper's is as of the last tick: a task may have run since.
std::optional<double> guest_now(const Kernel& kernel) {
  if (const auto clock = read_timekeeper(FieldReader(kernel))) return clock->since_boot;
  return uptime_by_jiffies(kernel);
}

std::optional<double> seconds_since(const std::optional<double>& now,
                                    const std::optional<std::uint64_t>& then) {
  if (!now || !then || *then == 0) return std::nullopt;
  return std::max(0.0, *now - static_cast<double>(*then) / kSecond);
}

}  // namespace

void add_queues(Session& session, std::vector<CpuFacts>& cpus) {
  const auto kernel = session.kernel();
  const auto all = kernel ? task_facts(session) : tl::unexpected(kernel.error());
  if (!all) return;
  const auto now = guest_now(**kernel);
  for (const TaskFacts& task : *all) {
    if (task.state != 'R' || task.idle || !task.cpu) continue;
    for (CpuFacts& cpu : cpus) {
      if (cpu.index != *task.cpu) continue;
      if (cpu.task == task.at) {
        cpu.running = seconds_since(now, task.last_run);
      } else if (!task.running) {
        ++cpu.queued;
      }
    }
  }
}

std::vector<WaitFacts> wait_facts(Session& session, std::vector<std::string>& remarks) {
  const auto kernel = session.kernel();
  const auto all = kernel ? task_facts(session) : tl::unexpected(kernel.error());
  if (!all) return {};
  const auto now = guest_now(**kernel);
  std::vector<WaitFacts> waits;
  for (const TaskFacts& task : *all) {
    if (task.state != 'D' || task.running || task.idle) continue;
    WaitFacts facts;
    facts.task = task.at;
    facts.comm = task.comm;
    facts.pid = task.pid;
    facts.seconds = seconds_since(now, task.last_run);
    waits.push_back(std::move(facts));
  }
  std::ranges::stable_sort(waits, std::ranges::greater{},
                           [](const WaitFacts& each) { return each.seconds.value_or(0); });
  if (waits.size() > kMaxWaits) {
    remarks.push_back(
        fmt::format("tasks: {} wait uninterruptibly; the {} that have waited longest "
                    "are told",
                    waits.size(), kMaxWaits));
    waits.resize(kMaxWaits);
  }
  const LockFinder locks(session, **kernel);
  for (WaitFacts& wait : waits) {
    const auto task = std::ranges::find(session.tasks(), wait.task, &Task::at);
    if (task == session.tasks().end()) continue;
    wait.backtrace = session.backtrace(*task);
    const LockKind* kind = kind_of(wait.backtrace);
    if (kind == nullptr || wait.backtrace.frames.empty()) continue;
    wait.lock = locks.find(*kind, *task, wait.backtrace.frames.front().sp);
  }
  return waits;
}

}  // namespace rig::analyzer
