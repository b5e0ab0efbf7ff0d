// SPDX-License-Identifier: Apache-2.0
// crashrig analyze CORE: the explanation of one vmcore.
#include <unistd.h>

#include <memory>

#include "analyzer/analyzer.h"
#include "commands/core_source.h"
#include "commands/output.h"
#include "commands/verbs.h"

namespace rig::commands {
namespace {

struct AnalyzeArguments {
  CoreSource source;
  bool json = false;
};

Result<int> analyze_core(const AnalyzeArguments& arguments, const Context& context) {
  // Nothing to clean up (a live guest has its guardian): the first Ctrl-C ends it at once.
  const std::stop_callback on_stop(context.stop, [] { ::_exit(kCancelled); });
  RIG_ASSIGN(analyzer::Session session, open_session(arguments.source, context.stop));
  const analyzer::Findings findings = analyzer::analyze(session);
  RIG_TRY(
      print_out(arguments.json ? analyzer::to_json(findings) + "\n" : analyzer::to_text(findings)));
  return kAsExpected;
}

}  // namespace

Action declare_analyze(CLI::App& app) {
  auto arguments = std::make_shared<AnalyzeArguments>();
  add_core_options(app, arguments->source);
  app.add_flag("--json", arguments->json, "print everything that was found as one JSON document");
  return [arguments](const Context& context) { return analyze_core(*arguments, context); };
}

}  // namespace rig::commands
