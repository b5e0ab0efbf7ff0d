// SPDX-License-Identifier: Apache-2.0
#include "oops/report_stack.h"

#include <algorithm>
#include <bitset>
#include <cctype>
#include <charconv>

#include "oops/report_pattern.h"
#include "oops/skip_lists.h"

namespace rig::oops {
namespace {

// A name as kallsyms prints it; Rust's may hold one " as ".
#define RIG_NAME "(?P<func>[A-Za-z_.<][^\\s+()\\[\\]]*(?: as [^\\s+()\\[\\]]+)?)"
// Web pages lose the '+' of logs that are pasted into them: "f0x5e/0x140".
#define RIG_OFFSETS "\\+?0x(?P<offset>[0-9a-f]+)/0x(?P<size>[0-9a-f]+)"

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

bool take_hex(std::string_view& text, std::string_view before, std::uint64_t& value) {
  if (!text.starts_with(before)) return false;
  const char* begin = text.data() + before.size();
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value, 16);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

// Where the offset of "f0x5e/0x140" begins, whose '+' a web page has lost; npos for other names.
std::size_t offset_without_plus(std::string_view name) {
  const std::size_t slash = name.find('/');
  return slash == std::string_view::npos ? slash : name.substr(0, slash).rfind("0x");
}

// The form that most lines of a log with reports have, without a pattern's cost: "f+0x5e/0x140",
// "? f+0x5e/0x140", both with " [module]".
struct PlainFrame {
  std::string_view name, module;
  std::uint64_t offset = 0, size = 0;
  bool reliable = true;
};

std::optional<PlainFrame> read_plain_frame(std::string_view text) {
  const auto is_name = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '.'; };
  const auto is_module = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  };
  PlainFrame frame;
  if (text.starts_with("? ")) {
    frame.reliable = false;
    text.remove_prefix(2);
  }
  const auto end = std::ranges::find_if_not(text, is_name);
  auto length = static_cast<std::size_t>(end - text.begin());
  length = std::min(length, offset_without_plus(text.substr(0, length + 1)));
  if (length == 0 || std::isdigit(static_cast<unsigned char>(text.front())) != 0) {
    return std::nullopt;
  }
  frame.name = text.substr(0, length);
  text.remove_prefix(length);
  if (text.starts_with('+')) text.remove_prefix(1);
  if (!take_hex(text, "0x", frame.offset) || !take_hex(text, "/0x", frame.size)) {
    return std::nullopt;
  }
  if (text.empty()) return frame;
  if (!text.starts_with(" [") || text.back() != ']') return std::nullopt;
  frame.module = text.substr(2, text.size() - 3);
  if (frame.module.empty() || !std::ranges::all_of(frame.module, is_module)) return std::nullopt;
  return frame;
}

std::optional<Frame> parse_plain_frame(std::string_view text) {
  const auto plain = read_plain_frame(text);
  if (!plain) return std::nullopt;
  Frame frame;
  frame.function = plain_name(plain->name);
  frame.offset = plain->offset;
  frame.size = plain->size;
  frame.module = plain->module;
  frame.reliable = plain->reliable;
  return frame;
}

// Kernels before 4.14 print addresses: "[<ffffffff8116616e>] f+0x5e/0x140".
std::string_view without_address(std::string_view text) {
  if (!text.starts_with("[<")) return text;
  const std::size_t end = text.find(">] ");
  return end == std::string_view::npos ? text : text.substr(end + 3);
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
  function = function.substr(0, offset_without_plus(function));
  return function.substr(0, function.find('.', 1));
}

bool is_plain_frame(std::string_view text) {
  return read_plain_frame(without_address(unindented(text))).has_value();
}

std::optional<Frame> parse_frame(std::string_view text) {
  static const Pattern kWithOffset(
      R"(^(?:\[<?(?:0x)?[0-9a-f]+>?\] ?){0,2}(?P<unreliable>\? )?(?:\[<[0-9a-fx]+>\] )?\(?)" RIG_NAME
          RIG_OFFSETS
      R"(\)?(?: \[(?P<module>[\w-]+)(?: [0-9a-f]+)?\])?(?P<powerpc> \(unreliable\))?(?: .*)?$)");
  static const Pattern kInline(R"(^(?:\[[0-9a-f]+\] ){0,2})" RIG_NAME
                               R"( (?:[\w./-]+\.\w+:\d+ )?\[inline\]$)");
  static const Pattern kArm(R"(^(?:\[<[0-9a-f]+>\] \()?)" RIG_NAME
                            R"(\)? from (?:\[<[0-9a-f]+>\] \()?[^\s+]+\+0x)");
  text = without_stack_mark(unindented(text));
  if (text.size() < 5) return std::nullopt;
  if (auto frame = parse_plain_frame(without_address(text))) return frame;
  Captures captures;
  if (text.find("+0x") != std::string_view::npos) {
    if (text.find(" from ") != std::string_view::npos && kArm.match(text, captures)) {
      return make_frame(captures);
    }
    if (!kWithOffset.match(text, captures)) return std::nullopt;
    Frame frame = make_frame(captures);
    if (!captures["powerpc"].empty()) frame.reliable = false;
    return frame;
  }
  if (text.ends_with("[inline]") && kInline.match(text, captures)) {
    Frame frame = make_frame(captures);
    frame.inlined = true;
    return frame;
  }
  return std::nullopt;
}

std::optional<Frame> parse_caller(std::string_view text) {
  constexpr std::string_view kFrom = " from ";
  const std::size_t at = text.find(kFrom);
  if (at == std::string_view::npos) return std::nullopt;
  return parse_frame(text.substr(at + kFrom.size()));
}

std::optional<ProgramCounter> parse_program_counter(std::string_view text) {
  static const Pattern kKernel(
      R"(^(?:RIP|EIP|IP|pc|PC|epc|NIP)(?: is at|\s?:)? *(?:00[16]0:)? *(?:\[<?(?P<address>[0-9a-f]+)>?\] *)*)" RIG_NAME
      "(?:" RIG_OFFSETS
      R"(|(?: [\w./-]+:\d+)? \[inline\])(?: \[(?P<module>[\w-]+)[^\]]*\])?(?P<again>.* RSP: | RSP <)?)");
  static const Pattern kUser(R"(^RIP: (?:0033|002b|0023):)");
  // A jump to where no code is. 32-bit ARM prints the bare address beside the named one.
  static const Pattern kBare(
      R"(^(?:RIP: 0010:(?:\[<)?(?:0x)?(?P<address>[0-9a-f]+)|(?:pc : |PC is at )0x(?P<arm>[0-9a-f]+)|(?:E?IP: |RIP: 0010:).*\(null\)))");
  text = unindented(text);
  constexpr std::string_view kNames[] = {"RIP", "EIP", "IP", "pc", "PC", "epc", "NIP"};
  const bool named =
      std::ranges::any_of(kNames, [&](std::string_view name) { return text.starts_with(name); });
  if (!named) return std::nullopt;
  Captures captures;
  ProgramCounter pc;
  if (kUser.matches(text)) {
    pc.user = true;
    return pc;
  }
  if (kKernel.match(text, captures)) {
    pc.frame = make_frame(captures);
    pc.frame->inlined = text.ends_with("[inline]");
    pc.repeated = !captures["again"].empty();
  } else if (!kBare.match(text, captures)) {
    return std::nullopt;
  }
  const auto address = captures["address"].empty() ? captures["arm"] : captures["address"];
  if (!address.empty()) pc.address = hex(address);
  return pc;
}

std::optional<Mark> parse_heading(std::string_view text) {
  struct Heading {
    std::string_view prefix;
    Mark mark;
  };
  static constexpr Heading kHeadings[] = {
      {"Call Trace:", Mark::kTrace},
      {"Call trace:", Mark::kTrace},
      {"Backtrace:", Mark::kTrace},
      {"status: ", Mark::kRegisters},
      {"backtrace:", Mark::kBacktrace},
      {"backtrace (crc ", Mark::kBacktrace},
      {"Allocated by task", Mark::kAllocated},
      {"Allocated:", Mark::kAllocated},
      {"INFO: Allocated in ", Mark::kAllocated},
      {"Allocated in ", Mark::kAllocated},
      {"allocated by task", Mark::kAllocated},
      {"Freed by task", Mark::kFreed},
      {"Freed:", Mark::kFreed},
      {"INFO: Freed in ", Mark::kFreed},
      {"Freed in ", Mark::kFreed},
      {"freed by task", Mark::kFreed},
      {"Uninit was stored to memory at", Mark::kStored},
      {"Uninit was created at", Mark::kOrigin},
      {"Local variable ", Mark::kOrigin},
      {"page last allocated", Mark::kPageOwner},
      {"page last free", Mark::kOther},
      {"page_owner ", Mark::kOther},
      {"... which became ", Mark::kBecame},
      {"... which", Mark::kOther},
      {"Last potentially related", Mark::kOther},
      {"Second to last", Mark::kOther},
      {"Last call_rcu", Mark::kOther},
      {"Last creation", Mark::kOther},
      {"Memory state around", Mark::kOther},
      {"The buggy address", Mark::kOther},
      {"other info that might help", Mark::kOther},
      {"rcu: RCU grace-period kthread stack dump", Mark::kForeign},
      {"RCU grace-period kthread stack dump", Mark::kForeign},
      {"FAULT_INJECTION: ", Mark::kForeign},
      {"NMI backtrace for cpu", Mark::kOther}};
  static const std::bitset<256> kFirsts = [] {
    std::bitset<256> firsts;
    for (const Heading& heading : kHeadings) {
      firsts.set(static_cast<unsigned char>(heading.prefix.front()));
    }
    return firsts;
  }();
  text = unindented(text);
  if (text.size() < 6) return std::nullopt;
  if (text.ends_with("Call Trace:")) return Mark::kTrace;  // behind what another CPU printed
  if (!kFirsts.test(static_cast<unsigned char>(text.front()))) return std::nullopt;
  for (const Heading& heading : kHeadings) {
    if (!text.starts_with(heading.prefix)) continue;
    const bool riscv = text.find(" badaddr: ") != std::string_view::npos;
    if (heading.mark == Mark::kRegisters && !riscv) break;
    return heading.mark;
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
