// SPDX-License-Identifier: Apache-2.0
// crashrig inspect CORE QUESTION: one or several questions to one vmcore.
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <span>

#include "analyzer/inspect/question.h"
#include "base/text.h"
#include "commands/core_source.h"
#include "commands/output.h"
#include "commands/question_words.h"
#include "commands/verbs.h"

namespace rig::commands {
namespace {

struct InspectArguments {
  CoreSource source;
  bool json = false;
  Words words;  // of all questions
};

std::string joined(std::span<const std::string> words) {
  return fmt::format("{}", fmt::join(words, " "));
}

std::string help() {
  std::string text = "\nQUESTIONS\n";
  for (const analyzer::Question& each : analyzer::all_questions()) {
    text += fmt::format("  {:<8} {}\n", each.name, each.summary);
    if (!each.usage.empty()) text += fmt::format("           {} {}\n", each.name, each.usage);
  }
  return text +
         "\nSeveral questions in one call are separated by commas, or quoted:\n"
         "  crashrig inspect vmcore bt -a, ps, mem\n"
         "  crashrig inspect vmcore 'bt -a' 'files 1'\n"
         "QUESTION --help shows one question's usage. "
         "Without a QUESTION they are read from standard input, one on each line.";
}

// One question's answer, or why there is none: a question that fails does not end the others.
class Interview {
 public:
  Interview(analyzer::Session& session, bool json) : session_(session), json_(json) {}

  Status ask(std::span<const std::string> question, bool headed) {
    const auto answer = analyzer::ask(session_, question);
    if (!answer && answer.error().blame != Blame::kInput) {
      return tl::unexpected(answer.error());
    }
    if (!answer) failed_ = true;
    if (json_) return print_out(json_line(question, answer));
    if (headed) RIG_TRY(print_out(fmt::format("== {} ==\n", joined(question))));
    if (answer) return print_out(answer->text);
    refuse(answer.error());
    return {};
  }

  void refuse(const Error& error) {
    failed_ = true;
    fmt::print(stderr, "crashrig: {}\n", error.what);
    if (!error.hint.empty()) fmt::print(stderr, "  next: {}\n", error.hint);
  }

  bool failed() const { return failed_; }

 private:
  static std::string json_line(std::span<const std::string> question,
                               const Result<analyzer::Answer>& answer) {
    const auto asked = analyzer::json_text(joined(question));
    if (answer) return fmt::format("{{\"question\":{},\"answer\":{}}}\n", asked, answer->json);
    return fmt::format("{{\"question\":{},\"error\":{}}}\n", asked,
                       analyzer::json_text(answer.error().message()));
  }

  analyzer::Session& session_;
  bool json_;
  bool failed_ = false;
};

Status ask_from_stdin(Interview& interview) {
  const bool person = ::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO);
  for (std::string line; (person ? std::cout << "crashrig> " << std::flush : std::cout),
                         std::getline(std::cin, line);) {
    if (trim(line).starts_with('#')) continue;
    const auto divided = words_of(line);
    if (!divided) {
      interview.refuse(divided.error());
      continue;
    }
    const Words& words = *divided;
    if (words.empty()) continue;
    if (words.size() == 1 && (words[0] == "quit" || words[0] == "q" || words[0] == "exit")) break;
    if (words[0] == "help" && words.size() > 1) {
      const Words usage = {words[1], "--help"};
      RIG_TRY(interview.ask(usage, false));
      continue;
    }
    if (words[0] == "help") {
      RIG_TRY(print_out(help() + "\n"));
      continue;
    }
    for (const Words& question : split_questions(words)) {
      RIG_TRY(interview.ask(question, !person));
    }
  }
  if (person) RIG_TRY(print_out("\n"));
  return {};
}

Result<int> inspect_core(InspectArguments arguments, const Context& context) {
  // Nothing to clean up (a live guest has its guardian): the first Ctrl-C ends it at once.
  const std::stop_callback on_stop(context.stop, [] { ::_exit(kCancelled); });
  // Whatever follows QUESTION is the question's, but for this, which people put at the end.
  if (std::erase(arguments.words, "--json") != 0) arguments.json = true;
  RIG_ASSIGN(analyzer::Session session, open_session(arguments.source, context.stop));
  Interview interview(session, arguments.json);
  const auto questions = split_questions(arguments.words);
  if (questions.empty()) RIG_TRY(ask_from_stdin(interview));
  for (const Words& question : questions) {
    RIG_TRY(interview.ask(question, questions.size() > 1));
  }
  return interview.failed() ? kUsage : kAsExpected;
}

}  // namespace

Action declare_inspect(CLI::App& app) {
  auto arguments = std::make_shared<InspectArguments>();
  add_core_options(app, arguments->source);
  app.add_flag("--json", arguments->json,
               "one JSON object for each question, on a line of its own");
  app.prefix_command();
  app.footer(help());
  return [arguments, &app](const Context& context) {
    arguments->words = app.remaining();
    return inspect_core(*arguments, context);
  };
}

}  // namespace rig::commands
