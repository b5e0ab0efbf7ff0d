// SPDX-License-Identifier: Apache-2.0
// `mods`: the loaded modules, as lsmod and crash's mod show them.
#include <algorithm>
#include <boost/json.hpp>

#include "analyzer/facts/module_facts.h"
#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "analyzer/inspect/task_choice.h"
#include "base/text.h"
#include "base/text_table.h"

namespace rig::analyzer {
namespace {

std::string used_by(const ModuleFacts& module) {
  const std::string count = module.references ? std::to_string(*module.references) : "?";
  if (module.used_by.empty()) return count;
  return fmt::format("{} {}", count, fmt::join(module.used_by, ","));
}

// Where its code begins, as crash has it; else where anything of it does.
std::string base(const ModuleFacts& module) {
  const auto text = std::ranges::find_if(module.ranges, &ModuleRangeFacts::text);
  if (text != module.ranges.end()) return fmt::format("{:x}", raw(text->begin));
  return module.ranges.empty() ? "?" : fmt::format("{:x}", raw(module.ranges.front().begin));
}

}  // namespace

Result<Answer> answer_mods(Session& session, Arguments arguments) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  std::vector<std::string> problems;
  std::vector<ModuleFacts> modules = module_facts(*kernel, problems);
  for (const std::string& name : arguments) {
    std::vector<std::string> names;
    for (const ModuleFacts& each : modules) names.push_back(printable(each.name));
    if (std::ranges::find(names, name) == names.end()) {
      return fail(Blame::kInput, "mods: no module '{}'{}", name, suggest(name, names));
    }
  }
  std::erase_if(modules, [&](const ModuleFacts& each) {
    return !arguments.empty() && std::ranges::find(arguments, each.name) == arguments.end();
  });

  TextTable table({"<MODULE", "<NAME", "<TEXT", ">SIZE", "<STATE", "<TAINT", "<USED BY"});
  for (const ModuleFacts& each : modules) {
    table.row({fmt::format("{:x}", raw(each.at)), each.name, base(each), std::to_string(each.size),
               each.state.empty() ? "?" : each.state, each.taint.empty() ? "-" : each.taint,
               used_by(each)});
  }
  Answer answer;
  answer.text = modules.empty() ? "no modules\n" : table.text();
  answer.text += note_lines(problems);
  answer.json = boost::json::serialize(list(modules, module_json));
  return answer;
}

}  // namespace rig::analyzer
