// SPDX-License-Identifier: Apache-2.0
// crashrig analyze CORE: the explanation of one vmcore.
#include <fmt/format.h>

#include <memory>

#include "analyzer/analyzer.h"
#include "commands/verbs.h"

namespace rig::commands {
namespace {

struct AnalyzeArguments {
  std::string core;
  bool json = false;
};

Result<int> analyze_core(const AnalyzeArguments& arguments) {
  RIG_ASSIGN(const analyzer::Findings findings, analyzer::analyze(arguments.core));
  fmt::print("{}", arguments.json ? analyzer::to_json(findings) : analyzer::to_text(findings));
  return kAsExpected;
}

}  // namespace

Action declare_analyze(CLI::App& app) {
  auto arguments = std::make_shared<AnalyzeArguments>();
  app.add_option("CORE", arguments->core,
                 "ELF or kdump-compressed vmcore, flattened or not, from QEMU, libvirt or kdump")
      ->required();
  app.add_flag("--json", arguments->json, "print everything that was found as one JSON document");
  return [arguments](const Context&) { return analyze_core(*arguments); };
}

}  // namespace rig::commands
