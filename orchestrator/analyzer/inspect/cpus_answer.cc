// SPDX-License-Identifier: Apache-2.0
// What each CPU was doing when the machine stopped.
#include <boost/json.hpp>

#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

namespace json = boost::json;

std::string context_text(const std::optional<ContextFacts>& context) {
  if (!context) return "context not known";
  std::string text = fmt::format(
      "{}, preempt_count {:08x} (NMI {}, hardirq {}, softirq {}, preempt {})", context->words,
      context->preempt_count, context->nmi, context->hardirq, context->softirq, context->preempt);
  if (context->irqs_off) text += *context->irqs_off ? ", interrupts off" : ", interrupts on";
  return text;
}

std::string cpu_text(const CpuFacts& cpu) {
  std::string text = fmt::format("CPU {}{}: ", cpu.index, cpu.panicking ? " (panicked)" : "");
  if (cpu.task) {
    text += fmt::format("PID {} \"{}\", task {:x}\n",
                        cpu.pid ? fmt::format("{}", *cpu.pid) : std::string("?"),
                        printable(cpu.comm), raw(*cpu.task));
  } else {
    text += "its task is not known\n";
  }
  text += fmt::format("    in {}\n", context_text(cpu.context));
  if (cpu.at) text += fmt::format("    at {}\n", printable(to_string(*cpu.at)));
  return text;
}

json::object cpu_json(const CpuFacts& cpu) {
  return {{"cpu", cpu.index},
          {"task", hex_or_null(cpu.task)},
          {"pid", or_null(cpu.pid)},
          {"comm", utf8(cpu.comm)},
          {"panicking", cpu.panicking},
          {"at", location_json(cpu.at)},
          {"context", context_json(cpu.context)},
          {"registers", registers_json(cpu.registers)}};
}

}  // namespace

Result<Answer> answer_cpus(Session& session, Arguments arguments) {
  RIG_TRY(expect_no_arguments("cpus", arguments));
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  Answer answer;
  json::array all;
  for (const CpuSnapshot& cpu : session.cpus()) {
    const CpuFacts facts = to_facts(cpu, *kernel);
    answer.text += cpu_text(facts);
    all.push_back(cpu_json(facts));
  }
  if (answer.text.empty()) {
    return fail(Blame::kInput, "cpus: no CPU's registers are in the core");
  }
  answer.json = json::serialize(all);
  return answer;
}

}  // namespace rig::analyzer
