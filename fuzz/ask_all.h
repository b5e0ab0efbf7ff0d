// SPDX-License-Identifier: Apache-2.0
// `analyze` and every question that `inspect` knows, of a core that may be anything.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "analyzer/analyzer.h"
#include "analyzer/inspect/question.h"

namespace rig::fuzz {

// Calls `before(question)` ahead of each.
inline void ask_all(analyzer::Core core, const std::function<void(const std::string&)>& before) {
  static const std::vector<std::string> kAsked = {"log",
                                                  "log -T",
                                                  "sys",
                                                  "cpus",
                                                  "bt",
                                                  "bt -a",
                                                  "bt -A",
                                                  "bt -e",
                                                  "bt -f",
                                                  "bt 1",
                                                  "ps",
                                                  "ps -p",
                                                  "ps -m",
                                                  "ps -t",
                                                  "ps -G",
                                                  "task",
                                                  "task 1 -R comm,pid",
                                                  "mods",
                                                  "files",
                                                  "files 1",
                                                  "mounts",
                                                  "swap",
                                                  "mem",
                                                  "mem -m",
                                                  "percpu counter",
                                                  "percpu 0x1040 sample",
                                                  "percpu 0x1040 24",
                                                  "percpu -c",
                                                  "slab",
                                                  "slab kmalloc-64",
                                                  "slab 0xffff888001000000",
                                                  "audit",
                                                  "percpu runqueues.nr_running",
                                                  "struct -x -o task_struct",
                                                  "struct task_struct init_task",
                                                  "struct sample sample -c 3",
                                                  "struct list_head modules -l 8",
                                                  "union thread_union",
                                                  "enum state",
                                                  "whatis counter",
                                                  "whatis schedule",
                                                  "sym first second sample 0x1040",
                                                  "sym -q a",
                                                  "sym -l",
                                                  "sym -n sample",
                                                  "dis first",
                                                  "dis -r schedule+8",
                                                  "dis -f twin 40",
                                                  "rd sample 64",
                                                  "rd -S sample 64",
                                                  "rd -S -a init_task 200",
                                                  "rd -p 0 32",
                                                  "vtop sample",
                                                  "vtop -p 0x1000 0x1800100",
                                                  "vtop 0xffffffffffffff00"};
  analyzer::Session session(std::move(core));
  before("analyze");
  const analyzer::Findings findings = analyzer::analyze(session);
  (void)to_text(findings);
  (void)to_json(findings);
  for (const std::string& question : kAsked) {
    before(question);
    std::vector<std::string> words;
    for (std::size_t at = 0; at < question.size();) {
      const auto end = std::min(question.find(' ', at), question.size());
      words.push_back(question.substr(at, end - at));
      at = end + 1;
    }
    (void)analyzer::ask(session, words);
  }
}

}  // namespace rig::fuzz
