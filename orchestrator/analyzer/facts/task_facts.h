// SPDX-License-Identifier: Apache-2.0
// What a task_struct says about its task, as /proc/PID/stat and /proc/PID/status would.
#pragma once

#include <string>
#include <vector>

#include "analyzer/facts/field_reader.h"
#include "analyzer/facts/session.h"
#include "analyzer/guest_facts.h"

namespace rig::analyzer {

class TaskReader {
 public:
  TaskReader(const Kernel& kernel, std::uint64_t page_size)
      : fields_(kernel), page_size_(page_size) {}

  // `running` is as the scheduler has it (on_cpu). What a kernel's types lack is absent.
  TaskFacts read(const Task& task) const;

  // What a task has counted for its mm, but not handed over yet: until f1a7941243c1 (v6.2).
  std::int64_t unsynced_pages(VirtAddr task) const;

 private:
  void read_state(TaskFacts& facts) const;
  void read_memory(TaskFacts& facts) const;
  std::optional<std::int64_t> resident_pages(VirtAddr mm) const;

  FieldReader fields_;
  std::uint64_t page_size_;
};

// As /proc/PID/stat: fs/proc/array.c, include/linux/sched.h. `state`: task_struct.__state.
struct TaskState {
  char letter = '?';
  std::string words;
};
TaskState task_state(std::uint64_t state, std::uint64_t exit_state);

// "PF_KTHREAD | PF_NOFREEZE"; bits without a name as a number.
std::string task_flag_words(std::uint64_t flags);

// All tasks as session.tasks() has them, with what ran when the machine stopped; `rss` with what
// the threads of a process had not handed over yet, which /proc leaves out. An error only as
// session.kernel().
Result<std::vector<TaskFacts>> task_facts(Session& session);

}  // namespace rig::analyzer
