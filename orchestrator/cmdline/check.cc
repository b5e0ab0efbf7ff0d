// SPDX-License-Identifier: Apache-2.0
#include "cmdline/check.h"

#include <algorithm>

#include "base/text.h"
#include "cmdline/kernel_log.h"
#include "cmdline/parameter.h"
#include "cmdline/row.h"

namespace rig::cmdline {
namespace {

std::vector<std::span<const Row>> tables() {
  return {slab_rows(), memory_rows(), machine_rows(), setting_rows()};
}

const Row* find_row(std::string_view name) {
  for (const auto& rows : tables()) {
    for (const Row& row : rows) {
      if (same_name(row.name, name)) return &row;
    }
  }
  return nullptr;
}

bool is_overridden(const std::vector<Parameter>& all, std::size_t index) {
  const Row* row = find_row(all[index].name);
  const auto later = std::find_if(
      all.begin() + static_cast<std::ptrdiff_t>(index) + 1, all.end(), [&](const Parameter& other) {
        const bool same = row != nullptr && row->adds_up ? other.text == all[index].text
                                                         : same_name(other.name, all[index].name);
        return same;
      });
  return later != all.end();
}

// "name" or "name=value" as the kernel lists it or hands it to init.
bool names(std::string_view word, const Parameter& parameter) {
  return same_name(word.substr(0, word.find('=')), parameter.name);
}

// What the kernel does not know it hands to init, as an argument or, with a value, in its
// environment; that is so in every version, also where the log tells nothing.
bool is_with_init(const Parameter& parameter, Evidence& evidence) {
  const auto file = evidence.file(parameter.value ? "/proc/1/environ" : "/proc/1/cmdline");
  if (!file) return false;
  const auto words = split(*file, '\0');
  const std::size_t first = parameter.value ? 0 : 1;  // the argument 0 is init itself
  for (std::size_t i = first; i < words.size(); ++i) {
    if (names(words[i], parameter)) return true;
  }
  return false;
}

std::optional<Answer> check_unknown(const Parameter& parameter, Evidence& evidence) {
  const auto listed = unknown_parameters(evidence.log());
  if (std::any_of(listed.begin(), listed.end(),
                  [&](const std::string& word) { return names(word, parameter); })) {
    return Answer{State::kUnknown,
                  "the log lists it among 'Unknown kernel command line parameters'"};
  }
  if (!is_with_init(parameter, evidence)) return std::nullopt;
  return Answer{State::kUnknown,
                fmt::format("the kernel handed it to init ({})",
                            parameter.value ? "/proc/1/environ" : "/proc/1/cmdline")};
}

Answer check(const Parameter& parameter, const CommandLine& arrived, Evidence& evidence) {
  const auto& there = arrived.parameters;
  if (std::none_of(there.begin(), there.end(),
                   [&](const Parameter& each) { return each.text == parameter.text; })) {
    return ineffective(
        "it is not in the guest's /proc/cmdline: the line is too long, or the kernel "
        "has one of its own (CONFIG_CMDLINE)");
  }
  if (auto unknown = check_unknown(parameter, evidence)) return *unknown;
  if (const auto refusal = find_refusal(evidence.log(), parameter.name)) {
    return ineffective("the log: " + printable(*refusal));
  }
  if (const Row* row = find_row(parameter.name)) return row->check(parameter, evidence);
  const bool dotted = parameter.name.find('.') != std::string::npos;
  return dotted ? check_dotted(parameter, evidence) : check_undotted(parameter, evidence);
}

}  // namespace

std::vector<Effect> check_cmdline(std::string_view cmdline, Evidence& evidence) {
  const CommandLine asked = parse_cmdline(cmdline);
  const CommandLine arrived = parse_cmdline(evidence.file("/proc/cmdline").value_or(""));
  std::vector<Effect> effects;
  for (std::size_t i = 0; i < asked.parameters.size(); ++i) {
    if (is_overridden(asked.parameters, i)) continue;
    Answer answer = check(asked.parameters[i], arrived, evidence);
    effects.push_back({asked.parameters[i].text, answer.state, printable(answer.how)});
  }
  for (const std::string& word : asked.for_init) {
    effects.push_back(
        {word, State::kIneffective, "it is behind '--': the kernel hands it to init"});
  }
  return effects;
}

std::vector<std::string> known_parameters() {
  std::vector<std::string> names;
  for (const auto& rows : tables()) {
    for (const Row& row : rows) names.emplace_back(row.name);
  }
  return names;
}

}  // namespace rig::cmdline
