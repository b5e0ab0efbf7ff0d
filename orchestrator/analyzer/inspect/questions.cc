// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <boost/json.hpp>

#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

// By topic: who was where, the guest, types and memory.
constexpr Question kQuestions[] = {
    {"bt", "[-a | -A | PID | TASK | COMM ...] [-l] [-e] [-f]",
     "who called whom: of the task that panicked, of all CPUs (-a), of all tasks (-A); -f the "
     "words "
     "of each frame",
     answer_bt},
    {"cpus", "", "what each CPU was doing: its task, in which context, where", answer_cpus},
    {"fault", "", "the fault followed back: which register, and where its value came from",
     answer_fault},
    {"files", "[PID | TASK | COMM]", "what a task has open, its root and directory", answer_files},
    {"ps", "[-k | -u | -G] [-p | -m | -t] [PID | TASK | COMM ...]",
     "the tasks; -p their parents, -m when they last ran, -t their times", answer_ps},
    {"task", "[PID | TASK | COMM] [-R MEMBER[,MEMBER ...]]",
     "one task in words, or members of its task_struct", answer_task},

    {"audit", "", "what in the slab caches cannot be: freed twice, overwritten, lost",
     answer_audit},
    {"log", "[-T]", "the kernel's log, as dmesg prints it; -T with dates (UTC)", answer_log},
    {"mem", "[-m]", "where memory went, the zones and what they mean; -m as /proc/meminfo",
     answer_mem},
    {"mods", "[NAME ...]", "the loaded modules: size, state, taint, users", answer_mods},
    {"mounts", "[-n PID]", "what is mounted, for PID 1 or the task named", answer_mounts},
    {"slab", "[-s] [CACHE | ADDR]",
     "the slab caches as crash's kmem -s shows them, the slabs of one, or the object at an address",
     answer_slab},
    {"swap", "", "the swap areas", answer_swap},
    {"sys", "", "the guest: kernel, uptime, load, panic, taint", answer_sys},

    {"dis", "[-l] [-r | -f] ADDR|SYMBOL[+OFFSET] [COUNT]",
     "code: the function, up to ADDR (-r), from ADDR on (-f), with source lines (-l)", answer_dis},
    {"enum", "NAME", "the constants of an enum", answer_struct},
    {"percpu", "[-x] NAME[.MEMBER][:CPU] | [-x] POINTER [TYPE[.MEMBER] | BYTES] | -c",
     "the value on every CPU, also of what alloc_percpu() gave", answer_percpu},
    {"rd", "[-8 | -16 | -32 | -64] [-a] [-s | -S] [-p] [-e END] ADDR|SYMBOL [COUNT]",
     "memory; -S names what each word points to", answer_rd},
    {"struct", "[-x] [-o] NAME[.MEMBER,...] [ADDR|SYMBOL[:CPU] [-l OFFSET] [-c COUNT]]",
     "a type's definition, or the value of that type at an address", answer_struct},
    {"sym", "[-n] [-p] NAME|ADDR|NAME+OFFSET ... | -q TEXT | -l [MODULE]",
     "symbols by name, by address, by a part of the name", answer_sym},
    {"union", "as struct", "the same of a union", answer_struct},
    {"vtop", "ADDR|SYMBOL ... | -p PHYSICAL ...", "how an address is translated, and its page",
     answer_vtop},
    {"whatis", "TYPE | FUNCTION | PER-CPU-VARIABLE | ADDR|SYMBOL | -p PHYSICAL",
     "how it is declared, or what an address is: whose, in which state, from whom", answer_whatis},
    {"who", "ADDR|SYMBOL ... | -n COUNT CACHE",
     "whose a slab object is or was, by what it holds; what so many objects of a cache are",
     answer_who},
};

Answer usage_of(const Question& question) {
  std::string usage = fmt::format("{} {}", question.name, question.usage);
  if (question.usage.empty()) usage.pop_back();
  const boost::json::object json{{"usage", usage}, {"summary", question.summary}};
  return {fmt::format("usage: {}\n  {}\n", usage, question.summary), boost::json::serialize(json)};
}

}  // namespace

std::span<const Question> all_questions() {
  return kQuestions;
}

Result<Answer> ask(Session& session, std::span<const std::string> words) {
  if (words.empty() || words[0].empty()) return fail(Blame::kInput, "no question");
  for (const Question& each : kQuestions) {
    if (each.name != words[0]) continue;
    const auto arguments = words.subspan(1);
    const bool help = std::ranges::any_of(
        arguments, [](const std::string& word) { return word == "--help" || word == "-h"; });
    return help ? usage_of(each) : each.answer(session, arguments);
  }
  std::vector<std::string> names;
  for (const Question& each : kQuestions) names.emplace_back(each.name);
  return fail(Blame::kInput, "no question '{}'{}", words[0], suggest(words[0], names));
}

std::string json_text(std::string_view text) {
  return boost::json::serialize(boost::json::value(utf8(text)));
}

Status expect_no_arguments(std::string_view question, Arguments arguments) {
  if (arguments.empty()) return {};
  return fail(Blame::kInput, "{}: takes no arguments, '{}' is one", question, arguments[0]);
}

}  // namespace rig::analyzer
