// SPDX-License-Identifier: Apache-2.0
#include "commands/question_words.h"

#include <algorithm>

namespace rig::commands {
namespace {

constexpr std::string_view kBlanks = " \t\r";

}  // namespace

Result<Words> words_of(std::string_view line) {
  Words words;
  char quote = '\0';
  bool inside = false;  // of a word, which may be empty: ""
  for (const char letter : line) {
    if (quote != '\0' ? letter == quote : letter == '\'' || letter == '"') {
      if (!inside) words.emplace_back();
      inside = true;
      quote = quote != '\0' ? '\0' : letter;
    } else if (quote == '\0' && kBlanks.find(letter) != std::string_view::npos) {
      inside = false;
    } else {
      if (!inside) words.emplace_back();
      inside = true;
      words.back() += letter;
    }
  }
  if (quote != '\0') return fail(Blame::kInput, "a {} is not closed: {}", quote, line);
  return words;
}

std::vector<Words> split_questions(std::span<const std::string> words) {
  std::vector<Words> questions(1);
  for (const std::string& word : words) {
    const bool whole = questions.back().empty() && word.find(' ') != std::string::npos;
    const auto parts = whole ? words_of(word) : Result<Words>(Words{word});
    // What cannot be divided is left to whoever answers.
    for (std::string part : parts.value_or(Words{word})) {
      const bool last = part.ends_with(',');
      if (last) part.pop_back();
      if (!part.empty()) questions.back().push_back(std::move(part));
      if (last) questions.emplace_back();
    }
    if (whole) questions.emplace_back();
  }
  std::erase_if(questions, [](const Words& question) { return question.empty(); });
  return questions;
}

}  // namespace rig::commands
