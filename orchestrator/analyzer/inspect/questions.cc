// SPDX-License-Identifier: Apache-2.0
#include <boost/json.hpp>

#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr Question kQuestions[] = {
    {"log", "", "the kernel's log, as dmesg prints it", answer_log},
};

}  // namespace

std::span<const Question> all_questions() {
  return kQuestions;
}

Result<Answer> ask(Session& session, std::span<const std::string> words) {
  if (words.empty()) return fail(Blame::kInput, "no question");
  for (const Question& each : kQuestions) {
    if (each.name == words[0]) return each.answer(session, words.subspan(1));
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
