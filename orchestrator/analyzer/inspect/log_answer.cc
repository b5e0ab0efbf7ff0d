// SPDX-License-Identifier: Apache-2.0
// `log`: the kernel's log; -T with dates instead of seconds since the boot, as dmesg -T and crash.
#include "analyzer/facts/system_facts.h"
#include "analyzer/inspect/answers.h"
#include "analyzer/inspect/log_dates.h"
#include "analyzer/inspect/options.h"

namespace rig::analyzer {
namespace {

constexpr OptionSpec kLog{"log", "T", "", "[-T]"};

}  // namespace

Result<Answer> answer_log(Session& session, Arguments arguments) {
  RIG_ASSIGN(const GivenOptions options, parse_options(kLog, arguments));
  if (!options.words.empty()) return misused(kLog, "takes no words");
  RIG_ASSIGN(const KernelLog* log, session.log());
  if (!options.has('T')) return Answer{log->text, json_text(log->text)};
  RIG_ASSIGN(const SystemFacts facts, system_facts(session));
  if (!facts.crash_time || !facts.uptime ||
      *facts.uptime > static_cast<double>(*facts.crash_time)) {
    return fail_hint(Blame::kInput, "without -T the times are seconds since the boot",
                     "log: -T: when the guest was booted is not known");
  }
  const auto text =
      log_with_dates(log->text, static_cast<double>(*facts.crash_time) - *facts.uptime);
  return Answer{text, json_text(text)};
}

}  // namespace rig::analyzer
