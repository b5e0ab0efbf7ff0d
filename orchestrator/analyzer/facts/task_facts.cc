// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/task_facts.h"

#include <unordered_map>

#include "analyzer/facts/counters.h"

namespace rig::analyzer {
namespace {

// task_struct.__state and exit_state, include/linux/sched.h: these since v4.14.
constexpr std::uint64_t kInterruptible = 0x1, kUninterruptible = 0x2, kStopped = 0x4, kTraced = 0x8,
                        kExitDead = 0x10, kExitZombie = 0x20, kParked = 0x40, kDead = 0x80,
                        kWakeKill = 0x100, kWaking = 0x200, kNoLoad = 0x400, kNew = 0x800,
                        kRtLockWait = 0x1000, kFrozen = 0x8000;
constexpr std::uint64_t kIdle = kUninterruptible | kNoLoad;

constexpr std::uint64_t kPfIdle = 0x2, kPfKthread = 0x20'0000;

struct FlagName {
  std::uint64_t bit;
  std::string_view name;
};
// include/linux/sched.h; bits that meant something else within the last years are left out.
constexpr FlagName kFlagNames[] = {
    {0x1, "PF_VCPU"},
    {kPfIdle, "PF_IDLE"},
    {0x4, "PF_EXITING"},
    {0x8, "PF_POSTCOREDUMP"},
    {0x10, "PF_IO_WORKER"},
    {0x20, "PF_WQ_WORKER"},
    {0x40, "PF_FORKNOEXEC"},
    {0x80, "PF_MCE_PROCESS"},
    {0x100, "PF_SUPERPRIV"},
    {0x200, "PF_DUMPCORE"},
    {0x400, "PF_SIGNALED"},
    {0x800, "PF_MEMALLOC"},
    {0x1000, "PF_NPROC_EXCEEDED"},
    {0x2000, "PF_USED_MATH"},
    {0x8000, "PF_NOFREEZE"},
    {0x2'0000, "PF_KSWAPD"},
    {0x4'0000, "PF_MEMALLOC_NOFS"},
    {0x8'0000, "PF_MEMALLOC_NOIO"},
    {0x10'0000, "PF_LOCAL_THROTTLE"},
    {kPfKthread, "PF_KTHREAD"},
    {0x40'0000, "PF_RANDOMIZE"},
    {0x400'0000, "PF_NO_SETAFFINITY"},
    {0x800'0000, "PF_MCE_EARLY"},
    {0x1000'0000, "PF_MEMALLOC_PIN"},
    {0x8000'0000, "PF_SUSPEND_TASK"},
};

// An unnamed enum of mm_types_task.h; in this order since eca56ff906bd (v4.5).
constexpr unsigned kFilePages = 0, kAnonPages = 1, kShmemPages = 3;

TaskState reported(std::uint64_t bits) {
  if ((bits & kParked) != 0) return {'P', "parked"};
  if ((bits & kExitZombie) != 0) return {'Z', "zombie"};
  if ((bits & kExitDead) != 0) return {'X', "dead"};
  if ((bits & kTraced) != 0) return {'t', "stopped by its tracer"};
  if ((bits & kStopped) != 0) return {'T', "stopped"};
  if ((bits & kUninterruptible) != 0) return {'D', "waiting, uninterruptible"};
  if ((bits & kInterruptible) != 0) return {'S', "sleeping"};
  return {'R', "runnable"};
}

}  // namespace

TaskState task_state(std::uint64_t state, std::uint64_t exit_state) {
  TaskState found = reported(state | exit_state);
  if ((state & kIdle) == kIdle) found = {'I', "idle kernel thread"};
  if ((state & kRtLockWait) != 0) found = {'D', "waiting for an RT lock"};
  if ((state & kFrozen) != 0) found = {'D', "frozen"};
  if (found.letter == 'D' && (state & kWakeKill) != 0) found.words += " (killable)";
  if ((state & kDead) != 0 && found.letter == 'R') found.words = "exiting for good";
  if ((state & kWaking) != 0) found.words += ", being woken";
  if ((state & kNew) != 0) found.words = "new, has not run yet";
  return found;
}

std::string task_flag_words(std::uint64_t flags) {
  std::string words;
  const auto add = [&](std::string_view word) {
    if (!words.empty()) words += " | ";
    words += word;
  };
  for (const FlagName& each : kFlagNames) {
    if ((flags & each.bit) == 0) continue;
    add(each.name);
    flags &= ~each.bit;
  }
  if (flags != 0) add(fmt::format("{:#x}", flags));
  return words;
}

void TaskReader::read_state(TaskFacts& facts) const {
  // Renamed by 2f064a59a11f (v5.14).
  const auto state = fields_.first_value(facts.at, "task_struct.__state", "task_struct.state");
  const auto exit_state = fields_.value(facts.at, "task_struct.exit_state");
  if (!state) return;
  const TaskState known = task_state(*state, exit_state.value_or(0));
  facts.state = known.letter;
  facts.state_words = known.words;
}

// Pages in memory. Since f1a7941243c1 (v6.2) percpu_counters; before, an array of atomic_long_t.
std::optional<std::int64_t> TaskReader::resident_pages(VirtAddr mm) const {
  const auto counts = fields_.member("mm_struct.rss_stat.count");
  const auto counters = fields_.member("mm_struct.rss_stat");
  std::int64_t pages = 0;
  for (const unsigned kind : {kFilePages, kAnonPages, kShmemPages}) {
    std::optional<std::int64_t> count;
    if (counts && counts->elements) {
      const auto got = fields_.kernel().memory().load<std::int64_t>(mm + counts->offset +
                                                                    kind * sizeof(std::int64_t));
      if (got) count = *got;
    } else if (counters && counters->elements && *counters->elements > kind) {
      const VirtAddr counter =
          mm + counters->offset + kind * (counters->size / *counters->elements);
      count = per_cpu_sum(fields_, counter);
    }
    if (!count) return std::nullopt;
    pages += std::max<std::int64_t>(*count, 0);
  }
  return pages;
}

std::int64_t TaskReader::unsynced_pages(VirtAddr task) const {
  const auto counts = fields_.member("task_struct.rss_stat.count");
  if (!counts || counts->elements.value_or(0) <= kShmemPages) return 0;
  std::int64_t pages = 0;
  for (const unsigned kind : {kFilePages, kAnonPages, kShmemPages}) {
    const auto count = fields_.kernel().memory().load<std::int32_t>(task + counts->offset +
                                                                    kind * sizeof(std::int32_t));
    if (count) pages += *count;
  }
  return pages;
}

void TaskReader::read_memory(TaskFacts& facts) const {
  const auto mm = fields_.pointer(facts.at, "task_struct.mm");
  if (!mm) return;
  facts.mm = *mm;
  if (const auto pages = resident_pages(*mm)) {
    facts.rss = static_cast<std::uint64_t>(*pages) * page_size_;
  }
  if (const auto pages = fields_.value(*mm, "mm_struct.total_vm")) {
    facts.vsize = *pages * page_size_;
  }
}

TaskFacts TaskReader::read(const Task& task) const {
  TaskFacts facts;
  facts.at = task.at;
  facts.pid = task.pid.value_or(0);
  facts.comm = task.comm;
  facts.stack = task.stack.begin;
  const auto value = [&](std::string_view path) { return fields_.value(task.at, path); };
  facts.tgid = value("task_struct.tgid").value_or(facts.pid);
  if (const auto parent = fields_.pointer(task.at, "task_struct.real_parent")) {
    facts.parent_task = *parent;
    facts.parent = fields_.value(*parent, "task_struct.tgid").value_or(0);
  }
  read_state(facts);
  // In thread_info since bcf9033e5449 (v5.16).
  const auto cpu = fields_.first_value(task.at, "task_struct.thread_info.cpu", "task_struct.cpu");
  if (cpu) facts.cpu = static_cast<unsigned>(*cpu);
  facts.flags = value("task_struct.flags").value_or(0);
  facts.running = value("task_struct.on_cpu").value_or(0) != 0;
  facts.kernel_thread = (facts.flags & kPfKthread) != 0;
  // PF_IDLE is also set while idle injection runs; an idle task has PID 0.
  facts.idle = facts.pid == 0;
  read_memory(facts);
  if (const auto cred = fields_.pointer(task.at, "task_struct.real_cred")) {
    facts.uid = fields_.value(*cred, "cred.uid.val");
  }
  facts.priority = fields_.number(task.at, "task_struct.prio");
  // Since cf25e24db61c (v5.5) under this name; CLOCK_BOOTTIME as /proc/PID/stat has it.
  facts.started = fields_.first_value(task.at, "task_struct.start_boottime",
                                      "task_struct.real_start_time", "task_struct.start_time");
  facts.last_run = value("task_struct.sched_info.last_arrival");
  facts.user_time = value("task_struct.utime");
  facts.system_time = value("task_struct.stime");
  return facts;
}

Result<std::vector<TaskFacts>> task_facts(Session& session) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  const auto page_size = session.arch().layout(*kernel).page_size;
  const TaskReader reader(*kernel, page_size);
  std::vector<TaskFacts> all;
  std::unordered_map<std::uint64_t, std::int64_t> unsynced;  // bytes, by mm
  for (const Task& task : session.tasks()) {
    TaskFacts facts = reader.read(task);
    if (facts.rss) {
      unsynced[raw(facts.mm)] +=
          reader.unsynced_pages(task.at) * static_cast<std::int64_t>(page_size);
    }
    // Without the CPUs' registers in the core the scheduler's own word has to do.
    if (!session.cpus().empty()) {
      const CpuSnapshot* cpu = session.cpu_of(task.at);
      facts.running = cpu != nullptr;
      if (cpu) facts.cpu = cpu->number;
    }
    all.push_back(std::move(facts));
  }
  for (TaskFacts& each : all) {
    if (!each.rss) continue;
    const auto bytes = static_cast<std::int64_t>(*each.rss) + unsynced[raw(each.mm)];
    each.rss = static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 0));
  }
  return all;
}

}  // namespace rig::analyzer
