// SPDX-License-Identifier: Apache-2.0
#include "oops/report_stack.h"

#include <algorithm>
#include <charconv>

#include "oops/report_pattern.h"
#include "oops/skip_lists.h"

namespace rig::oops {
namespace {

// A name as kallsyms prints it; Rust's may hold one " as ".
#define RIG_NAME "(?P<func>[A-Za-z_.<][^\\s+()\\[\\]]*(?: as [^\\s+()\\[\\]]+)?)"
#define RIG_OFFSETS "\\+0x(?P<offset>[0-9a-f]+)/0x(?P<size>[0-9a-f]+)"

std::uint64_t hex(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return value;
}

Frame make_frame(const Captures& captures) {
  Frame frame;
  frame.function = plain_name(captures["func"]);
  frame.offset = hex(captures["offset"]);
  frame.size = hex(captures["size"]);
  frame.module = captures["module"];
  frame.reliable = captures["unreliable"].empty();
  return frame;
}

std::string_view unindented(std::string_view text) {
  const std::size_t at = text.find_first_not_of(" \t");
  return at == std::string_view::npos ? std::string_view() : text.substr(at);
}

// Kernels before 4.9 print "<IRQ>  [<...>] f" and "<EOI>  [<...>] f" on one line.
std::string_view without_stack_mark(std::string_view text) {
  for (const std::string_view mark : {"<IRQ>", "<EOI>", "<NMI>", "<<EOE>>", "<#DF>", "<UNK>"}) {
    if (text.starts_with(mark)) return unindented(text.substr(mark.size()));
  }
  return text;
}

}  // namespace

std::string_view plain_name(std::string_view function) {
  return function.substr(0, function.find('.', 1));
}

std::optional<Frame> parse_frame(std::string_view text) {
  static const Pattern kWithOffset(
      R"(^(?:\[<[0-9a-fx]+>\] )*(?:\[<[0-9a-fx]+>\])?(?P<unreliable>\? )?(?:\[<[0-9a-fx]+>\] )?\(?)" RIG_NAME
          RIG_OFFSETS R"(\)?(?: \[(?P<module>[\w-]+)(?: [0-9a-f]+)?\])?(?: .*)?$)");
  static const Pattern kInline("^" RIG_NAME R"( (?:[\w./-]+\.\w+:\d+ )?\[inline\]$)");
  static const Pattern kArm(R"(^(?:\[<[0-9a-f]+>\] \()?)" RIG_NAME
                            R"(\)? from (?:\[<[0-9a-f]+>\] \()?[^\s+]+\+0x)");
  text = without_stack_mark(unindented(text));
  if (text.size() < 5) return std::nullopt;
  Captures captures;
  if (text.find("+0x") != std::string_view::npos) {
    if (kArm.match(text, captures) || kWithOffset.match(text, captures))
      return make_frame(captures);
    return std::nullopt;
  }
  if (text.ends_with("[inline]") && kInline.match(text, captures)) return make_frame(captures);
  return std::nullopt;
}

std::optional<ProgramCounter> parse_program_counter(std::string_view text) {
  static const Pattern kKernel(
      R"(^(?:RIP|EIP|IP|pc|PC|epc|NIP)(?: is at|\s?:)? *(?:00[16]0:)? *(?:\[<(?P<address>[0-9a-f]+)>\] *)*)" RIG_NAME
      "(?:" RIG_OFFSETS
      R"(|(?: [\w./-]+:\d+)? \[inline\])(?: \[(?P<module>[\w-]+)[^\]]*\])?(?P<again>.* RSP: | RSP <)?)");
  static const Pattern kUser(R"(^RIP: (?:0033|002b|0023):)");
  static const Pattern kBare(R"(^RIP: 0010:(?:\[<)?(?:0x)?(?P<address>[0-9a-f]+))");
  text = unindented(text);
  if (text.empty() || std::string_view("REIpPeN").find(text.front()) == std::string_view::npos) {
    return std::nullopt;
  }
  Captures captures;
  ProgramCounter pc;
  if (kUser.matches(text)) {
    pc.user = true;
    return pc;
  }
  if (kKernel.match(text, captures)) {
    pc.frame = make_frame(captures);
    pc.repeated = !captures["again"].empty();
  } else if (!kBare.match(text, captures)) {
    return std::nullopt;
  }
  if (const auto address = captures["address"]; !address.empty()) pc.address = hex(address);
  return pc;
}

std::optional<StackKind> parse_stack_header(std::string_view text) {
  struct Header {
    std::string_view prefix;
    StackKind kind;
  };
  static constexpr Header kHeaders[] = {
      {"Call Trace:", StackKind::kMain},
      {"Call trace:", StackKind::kMain},
      {"Backtrace:", StackKind::kMain},
      {"stack backtrace:", StackKind::kMain},
      {"backtrace:", StackKind::kMain},
      {"backtrace (crc ", StackKind::kMain},
      {"Allocated by task", StackKind::kAllocated},
      {"Allocated:", StackKind::kAllocated},
      {"INFO: Allocated in ", StackKind::kAllocated},
      {"Allocated in ", StackKind::kAllocated},
      {"allocated by task", StackKind::kAllocated},
      {"Freed by task", StackKind::kFreed},
      {"Freed:", StackKind::kFreed},
      {"INFO: Freed in ", StackKind::kFreed},
      {"Freed in ", StackKind::kFreed},
      {"freed by task", StackKind::kFreed},
      {"Last potentially related", StackKind::kOther},
      {"Second to last", StackKind::kOther},
      {"Last call_rcu", StackKind::kOther},
      {"Last creation", StackKind::kOther},
      {"Uninit was ", StackKind::kOther},
      {"Memory state around", StackKind::kOther},
      {"The buggy address", StackKind::kOther},
      {"page last ", StackKind::kOther},
      {"page_owner ", StackKind::kOther},
      {"-> #", StackKind::kOther},
      {"other info that might help", StackKind::kOther},
      {"rcu: RCU grace-period kthread stack dump", StackKind::kForeign},
      {"RCU grace-period kthread stack dump", StackKind::kForeign},
      {"FAULT_INJECTION: ", StackKind::kForeign},
      {"Showing all locks", StackKind::kOther},
      {"NMI backtrace for cpu", StackKind::kOther},
      {"irq event stamp", StackKind::kOther},
      {"{SOFTIRQ", StackKind::kOther},
      {"{HARDIRQ", StackKind::kOther}};
  text = unindented(text);
  for (const Header& header : kHeaders) {
    if (text.starts_with(header.prefix)) return header.kind;
  }
  return std::nullopt;
}

std::vector<Frame> innermost_first(const std::optional<Frame>& pc, std::vector<Frame> stack) {
  // Kernels since 4.x list the exception's handling above the faulting function, as "? f".
  const auto limit =
      stack.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(stack.size(), 40));
  auto begin = stack.begin();
  for (auto frame = stack.begin(); frame != limit; ++frame) {
    if (exception_entries().contains(frame->function)) {
      begin = frame + 1;
      break;
    }
    if (frame->reliable && !reporting_helpers().contains(frame->function)) break;
  }
  while (begin != stack.end() && reporting_helpers().contains(begin->function)) ++begin;
  if (!pc) return {begin, stack.end()};
  while (begin != stack.end() && !begin->reliable && begin->function == pc->function) ++begin;
  std::vector<Frame> frames = {*pc};
  if (begin != stack.end() && begin->function == pc->function && begin->offset == pc->offset) {
    ++begin;
  }
  frames.insert(frames.end(), begin, stack.end());
  return frames;
}

}  // namespace rig::oops
