// SPDX-License-Identifier: Apache-2.0
// crashrig signature CORE: the `expect:` block that a core satisfies; or a core held against one.
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "analyzer/analyzer.h"
#include "analyzer/reporting_cpu.h"
#include "commands/core_source.h"
#include "commands/output.h"
#include "commands/verbs.h"
#include "oops/report.h"
#include "oops/reporting_functions.h"
#include "scenario/signature_file.h"
#include "verdict/signature.h"
#include "verdict/verdict.h"

namespace rig::commands {
namespace {

namespace json = boost::json;

struct SignatureArguments {
  CoreSource source;
  std::string detector = "none";
  std::string match;  // a scenario, or a file with its `expect:` part
  bool json = false;
};

// The function at whose entry the core was taken for it begins to report (`stop_at`): what the
// kernel went on to say is not in such a core.
const oops::ReportingFunction* stopped_before_report(const analyzer::Findings& findings) {
  if (oops::cause(findings.reports)) return nullptr;
  const analyzer::CpuFacts* cpu = analyzer::reporting_cpu(findings);
  return cpu == nullptr ? nullptr : analyzer::report_begun(*cpu);
}

verdict::Judgement hold_against(scenario::Expectation expectation,
                                const analyzer::Findings& findings) {
  verdict::Observation seen;
  seen.report = oops::cause(findings.reports);
  seen.crashed = true;  // it is a core
  seen.findings = &findings;
  // Neither what its guest still did nor whether the agent was up is in a core: where more than
  // that is expected of a guest that did not die, the rest decides.
  const bool died = findings.panic || findings.exception;
  const auto hang = std::exchange(expectation.hang, std::nullopt);
  if (hang && !died && !expectation.empty()) {
    seen.crashed = false;
    seen.hung = true;
    seen.hang = hang->kind;
  }
  expectation.hang = hang;
  seen.in_boot = expectation.during == scenario::During::kBoot;
  const auto* stop = expectation.report ? stopped_before_report(findings) : nullptr;
  if (stop == nullptr) return verdict::judge(expectation, seen);
  const auto report = std::exchange(expectation.report, std::nullopt);
  const bool says_more = !expectation.empty();
  if (!says_more) expectation.report = report;
  auto judgement = verdict::judge(expectation, seen);
  if (says_more) {
    judgement.checks.insert(
        judgement.checks.begin(),
        {.predicate = "report",
         .expected =
             fmt::format("left out: the core was taken at {}, before any report", stop->name),
         .found = {},
         .holds = true});
  }
  return judgement;
}

json::array checks_json(const std::vector<verdict::Check>& checks) {
  json::array list;
  for (const verdict::Check& each : checks) {
    list.push_back(json::object{{"predicate", each.predicate},
                                {"expected", each.expected},
                                {"found", each.found},
                                {"holds", each.holds}});
  }
  return list;
}

std::string checks_text(const std::vector<verdict::Check>& checks) {
  std::string text;
  for (const verdict::Check& each : checks) {
    text += fmt::format("  {} {:<18} {}\n", each.holds ? "+" : "-", each.predicate, each.expected);
    if (!each.holds) text += fmt::format("      found: {}\n", each.found);
  }
  return text;
}

// The signatures of `--match` for the core's architecture, of that detector where one was named.
Result<int> match(const SignatureArguments& arguments, analyzer::Session& session,
                  bool one_detector) {
  RIG_ASSIGN(auto signatures,
             scenario::load_signatures(arguments.match,
                                       {.report_kinds = oops::known_kinds(),
                                        .corruption_kinds = analyzer::corruption_kinds()}));
  if (one_detector) {
    std::erase_if(signatures,
                  [&](const auto& each) { return each.detector != arguments.detector; });
  }
  if (signatures.empty()) {
    return fail(Blame::kInput, "{}: expects nothing of detector '{}'", arguments.match,
                arguments.detector);
  }
  signatures = scenario::expectations_on(session.core().arch(), std::move(signatures));
  analyzer::Options options;
  for (const auto& each : signatures) {
    for (auto& name : asked_variables(each.expectation)) options.percpu.push_back(std::move(name));
  }
  const analyzer::Findings findings = analyzer::analyze(session, options);
  bool any = false;
  json::array list;
  std::string text;
  for (const auto& each : signatures) {
    const auto judgement = hold_against(each.expectation, findings);
    const bool matches = judgement.outcome == verdict::Outcome::kExpectedCrash;
    any = any || matches;
    list.push_back(json::object{{"detector", each.detector},
                                {"on", each.on},
                                {"matches", matches},
                                {"checks", checks_json(judgement.checks)}});
    text += fmt::format("{}{}: {}\n{}", each.detector, each.on.empty() ? "" : " on " + each.on,
                        matches ? "matches" : "does not match", checks_text(judgement.checks));
  }
  RIG_TRY(print_out(arguments.json ? json::serialize(list) + "\n" : text));
  return any ? kAsExpected : kNotAsExpected;
}

Result<int> write(const SignatureArguments& arguments, analyzer::Session& session) {
  const analyzer::Findings findings = analyzer::analyze(session);
  const scenario::Expectation signature = verdict::signature_of(findings);
  if (signature.empty()) {
    return fail_hint(
        Blame::kInput, "`crashrig analyze` shows what is in it",
        "{}: neither a report nor a corruption: nothing would tell this core from others",
        arguments.source.core);
  }
  const auto judgement = hold_against(signature, findings);
  if (judgement.outcome != verdict::Outcome::kExpectedCrash) {
    return fail(Blame::kRig, "the core does not satisfy its own signature:\n{}",
                checks_text(judgement.checks));
  }
  const std::string text = scenario::signature_text(arguments.detector, signature);
  if (!arguments.json) {
    RIG_TRY(print_out(text));
    return kAsExpected;
  }
  const json::object document{{"detector", arguments.detector},
                              {"signature", text},
                              {"checks", checks_json(judgement.checks)}};
  RIG_TRY(print_out(json::serialize(document) + "\n"));
  return kAsExpected;
}

}  // namespace

Action declare_signature(CLI::App& app) {
  auto arguments = std::make_shared<SignatureArguments>();
  add_core_options(app, arguments->source);
  const auto* detector = app.add_option("--detector", arguments->detector,
                                        "the detector to write it for, or to match alone");
  app.add_option("--match", arguments->match,
                 "a scenario, or what this verb wrote: does the core satisfy what it expects?");
  app.add_flag("--json", arguments->json, "print it as one JSON document");
  app.footer("Exit code with --match: 0 when one of the signatures matches, 1 when none does.");
  return [arguments, detector](const Context& context) -> Result<int> {
    const std::stop_callback on_stop(context.stop, [] { ::_exit(kCancelled); });
    RIG_ASSIGN(analyzer::Session session, open_session(arguments->source, context.stop));
    if (arguments->match.empty()) return write(*arguments, session);
    return match(*arguments, session, detector->count() > 0);
  };
}

}  // namespace rig::commands
