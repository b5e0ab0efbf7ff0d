// SPDX-License-Identifier: Apache-2.0
// Which tasks the user means: by PID, by the address of a task_struct, or by name.
#pragma once

#include <span>

#include "analyzer/facts/task_facts.h"
#include "analyzer/inspect/question.h"

namespace rig::analyzer {

// Those of `tasks` that one of `words` names, in their order. "42" is a PID, "0xffff…" (or 16
// hexadecimal digits) a task_struct, anything else a name. Blame::kInput for a word that names
// none.
Result<std::vector<TaskFacts>> choose_tasks(const std::vector<TaskFacts>& tasks,
                                            std::span<const std::string> words);

// The one task that `words` names; without words the one that panicked, else what CPU 0 ran.
Result<TaskFacts> choose_task(Session& session, std::span<const std::string> words);

// "PID: 1        TASK: ffff...  CPU: 0    COMMAND: "init"", as crash has it; ends with a newline.
std::string task_headline(const TaskFacts& task);

// Lines that say what could not be established: "note: …".
std::string note_lines(const std::vector<std::string>& notes);

}  // namespace rig::analyzer
