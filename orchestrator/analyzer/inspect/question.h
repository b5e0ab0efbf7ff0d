// SPDX-License-Identifier: Apache-2.0
// What `crashrig inspect CORE QUESTION` answers. To add a question: one function that answers it,
// in a file of this folder, and one row in the table of questions.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/facts/session.h"
#include "base/error.h"

namespace rig::analyzer {

// The same answer twice: for people and for programs. What could not be read is said in place.
struct Answer {
  std::string text;  // ends with a newline
  std::string json;  // one JSON value on one line
};

using Arguments = std::span<const std::string>;

struct Question {
  std::string_view name;     // "bt"
  std::string_view usage;    // "[-a | -l | PID | TASK ...]"
  std::string_view summary;  // one line
  // Blame::kInput for arguments that make no sense (the hint shows the usage) and for what this
  // core does not have at all.
  Result<Answer> (*answer)(Session& session, Arguments arguments);
};

std::span<const Question> all_questions();

// `words`: a question and its arguments: {"bt", "-a"}.
// Blame::kInput when there is no such question, or as its function.
Result<Answer> ask(Session& session, std::span<const std::string> words);

// `text` as a JSON string.
std::string json_text(std::string_view text);

}  // namespace rig::analyzer
