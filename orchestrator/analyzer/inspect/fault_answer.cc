// SPDX-License-Identifier: Apache-2.0
// fault: the faulting instruction, which register held the bad address, and where it came from.
#include <algorithm>

#include "analyzer/code/function.h"
#include "analyzer/facts/fault_trace.h"
#include "analyzer/fault_json.h"
#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "analyzer/inspect/object_bytes.h"
#include "analyzer/inspect/place.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::uint32_t kBefore = 3, kBehind = 1;  // instructions around the fault
constexpr std::uint64_t kLine = 16;                // bytes

// The instructions around the fault, where its function can be read.
std::string listing(Session& session, const Kernel& kernel, VirtAddr at) {
  auto decoder = instruction_set(session.arch().arch).decoder();
  auto text = Disassembler::open(session.arch().arch);
  if (!decoder || !text || !kernel.is_code(at)) return {};
  const auto function = Function::read(kernel, **decoder, at);
  const auto index = function ? function->at(at) : std::nullopt;
  if (!index) return {};
  std::string out;
  const auto last = std::min<std::size_t>(*index + kBehind + 1, function->operations().size());
  for (std::uint32_t i = *index - std::min(*index, kBefore); i < last; ++i) {
    const Operation& each = (*function)[i];
    const auto bytes = kernel.memory().read_up_to(each.at, each.size);
    const auto symbol = symbol_text(kernel, each.at);
    out += fmt::format("  {} {} <{}>:  {}{}\n", i == *index ? '>' : ' ', each.at,
                       symbol.value_or(""), printable(text->next(bytes, each.at).text),
                       i == *index ? "   <== the fault" : "");
  }
  return out;
}

std::string dump(ByteView content, std::uint64_t offset) {
  std::string out;
  const std::uint64_t middle = align_down(offset, kLine);
  const std::uint64_t from = middle - std::min(middle, kLine);
  for (std::uint64_t at = from; at <= middle + kLine && at < content.size(); at += kLine) {
    out += fmt::format("    +{:#05x} ", at);
    for (std::uint64_t word = at; word < at + kLine; word += 8) {
      const auto value = load<std::uint64_t>(content, word);
      if (!value) continue;
      const bool here = offset >= word && offset < word + 8;
      out += here ? fmt::format(" [{:016x}]", *value) : fmt::format("  {:016x} ", *value);
    }
    out += '\n';
  }
  return out;
}

std::string step_line(const FaultStep& each) {
  std::string text = fmt::format("  {}  {}\n", to_string(each.at), printable(each.instruction));
  return text + fmt::format("      {}{}\n", printable(each.words),
                            each.confirmed ? ""
                            : each.memory  ? "  [not proven]"
                                           : "");
}

std::string source_text(const FaultFacts& facts) {
  const PointerFacts& source = *facts.source;
  std::string out = fmt::format("\nTHE VALUE CAME FROM\n  {}  {}\n", source.value,
                                facts.source_member.empty() ? source.what : facts.source_member);
  if (!facts.source_member.empty()) out += fmt::format("  {}\n", printable(source.what));
  if (source.object) out += dump(source.object->content, source.offset);
  return out;
}

std::string text_of(Session& session, const Kernel& kernel, const FaultFacts& facts) {
  const ExceptionFacts& exception = session.exception()->facts;
  std::string out = fmt::format("FAULT      {}\n", printable(facts.verdict));
  out += fmt::format("at         {}, on CPU {} in {}{}\n", to_string(facts.at), exception.cpu,
                     printable(exception.comm),
                     exception.pid ? fmt::format(" (pid {})", *exception.pid) : "");
  if (!facts.access.empty()) {
    out += fmt::format("access     {}{}{}\n", facts.access,
                       facts.size != 0 ? fmt::format(" of {} bytes", facts.size) : "",
                       facts.address ? fmt::format(" at {:#x}", *facts.address) : "");
  }
  if (!facts.reg.empty()) out += fmt::format("register   {} = {:#x}\n", facts.reg, facts.value);
  if (!facts.member.empty()) out += fmt::format("wanted     {}\n", printable(facts.member));
  // Of a jump to nowhere: where it came from.
  const bool nowhere = !kernel.is_code(facts.at.address) && !facts.steps.empty();
  const VirtAddr at = nowhere ? facts.steps.front().at.address : facts.at.address;
  if (const auto code = listing(session, kernel, at); !code.empty()) {
    out += "\nCODE\n" + code;
  }
  if (!facts.steps.empty()) out += "\nBACK FROM THE FAULT\n";
  for (const FaultStep& each : facts.steps) out += step_line(each);
  if (facts.source) out += source_text(facts);
  return out;
}

}  // namespace

Result<Answer> answer_fault(Session& session, Arguments arguments) {
  RIG_TRY(expect_no_arguments("fault", arguments));
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  const auto& facts = session.fault();
  if (!facts) {
    return fail_hint(Blame::kInput, "ask for bt or log: what the CPUs were doing, what was said",
                     "fault: no exception was found in this core");
  }
  const boost::json::object json{{"fault", fault_json(*facts)}};
  return Answer{text_of(session, *kernel, *facts), boost::json::serialize(json)};
}

}  // namespace rig::analyzer
