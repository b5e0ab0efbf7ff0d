// SPDX-License-Identifier: Apache-2.0
#include "oops/report_body.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <iterator>
#include <utility>

#include "oops/skip_lists.h"

namespace rig::oops {
namespace {

constexpr std::size_t kMaxFrames = 256;
constexpr std::size_t kMaxSteps = 2048;
constexpr std::size_t kStrayFrames = 2;  // a stack is longer

template <typename T>
std::optional<T> number(std::string_view text, int base) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void fill_number(std::string_view text, int base, std::optional<std::uint64_t>& field) {
  if (!field && !text.empty()) field = number<std::uint64_t>(text, base);
}

void fill_text(std::string_view text, std::string& field) {
  if (field.empty()) field = text;
}

std::string access_word(std::string_view text) {
  if (text.empty()) return {};
  if (text.find("etch") != std::string_view::npos || text == "execute") return "execute";
  const char first = text.front();
  if (first == 'r' || first == 'R' || first == '0') return "read";
  return "write";
}

struct Detail {
  std::string_view needle;
  Pattern pattern;
};

// Lines with facts. Groups are those of Spelling; `error_code` and `fsr` are decoded below.
const std::vector<const Detail*>& details() {
  static const Detail kTable[] = {
      {"CPU: ",
       Pattern(
           R"(CPU: (?P<cpu>\d+) (?:UID: \d+ )?PID: (?P<pid>\d+) Comm: (?P<comm>.+?)(?: Kdump: loaded)? (?:Tainted: (?P<taint>[A-Z](?:[A-Z ]*[A-Z])?) |Not tainted))")},
      {"comm: ",
       Pattern(
           R"(Pid: (?P<pid>\d+), comm: (?P<comm>.+?) (?:Tainted: (?P<taint>[A-Z](?:[A-Z ]*[A-Z])?) |Not tainted))")},
      {"Process ", Pattern(R"(^Process (?P<comm>.+) \(pid: (?P<pid>\d+), )")},
      {" of size ",
       Pattern(
           R"((?P<access>Read|Write|read|write|Free|Access) of size (?P<size>\d+)(?: at addr (?P<addr>[0-9a-f]+))?(?: by task (?P<comm>.+)/(?P<pid>\d+))?)")},
      {" of addr ",
       Pattern(R"(^Free of addr (?P<addr>[0-9a-f]+) by task (?P<comm>.+)/(?P<pid>\d+))")},
      {"at addr ",
       Pattern(
           R"((?P<access>Read|Write) at addr (?P<addr>[0-9a-f]+) by task (?P<comm>.+)/(?P<pid>\d+))")},
      {" cache ", Pattern(R"(belongs to the cache (?P<cache>\S+) of size (?P<object_size>\d+))")},
      {" the object at ", Pattern(R"(belongs to the object at (?P<object>[0-9a-f]+))")},
      {" bytes inside of", Pattern(R"(address is located (?P<offset>\d+) bytes inside of)")},
      {" @offset=",
       Pattern(
           R"(0x[0-9a-f]+-0x[0-9a-f]+ @offset=(?P<slab_offset>\d+)\. First byte (?P<bytes>0x[0-9a-f]+ instead of 0x[0-9a-f]+))")},
      {"First byte ",
       Pattern(
           R"(0x(?P<addr>[0-9a-f]+)-0x[0-9a-f]+\. First byte (?P<bytes>0x[0-9a-f]+ instead of 0x[0-9a-f]+))")},
      {"Object 0x", Pattern(R"(Object 0x(?P<object>[0-9a-f]+) @offset=(?P<object_offset>\d+))")},
      {"in cache ",
       Pattern(
           R"(^Object at (?P<object>[0-9a-f]+), in cache (?P<cache>\S+)(?: size: (?P<object_size>\d+))?)")},
      {"cache=",
       Pattern(
           R"(kfence-#\d+: 0x(?P<object>[0-9a-f]+)-0x[0-9a-f]+, size=(?P<object_size>\d+), cache=(?P<cache>\S+))")},
      {"cache=", Pattern(R"(kfence-#\d+ .*size=(?P<object_size>\d+), cache=(?P<cache>\S+))")},
      {" at 0x",
       Pattern(
           R"(^(?:Out-of-bounds|Use-after-free|Invalid|Corrupted memory|Invalid free of)(?: (?P<access>read|write))?(?: at)? 0x(?P<addr>[0-9a-f]+))")},
      {"#PF: ", Pattern(R"(#PF: (?:supervisor|user) (?P<access>read|write|instruction fetch))")},
      {"WnR = ", Pattern(R"(WnR = (?P<access>[01]))")},
      {"EC = ", Pattern(R"(EC = 0x2[01]: IABT|Exception class = (?P<access>IABT))")},
      {"Oops: ", Pattern(R"(^Oops: (?P<error_code>[0-9a-f]{4}) \[#)")},
      {"kasan: bad access", Pattern(R"(^BUG (?P<cache>\S+) \(.*\): kasan: bad access)")},
  };
  static const std::vector<const Detail*> all = [] {
    std::vector<const Detail*> made;
    for (const Detail& detail : kTable) made.push_back(&detail);
    return made;
  }();
  return all;
}

// Lines about one function that belong to no stack: a lock's, a workqueue's. Kernels before 4.14
// put the place under the line with the lock: " at: [<...>] f+0x1/0x2".
constexpr std::string_view kLockAt = ", at: ";
constexpr std::string_view kLockAtAddress = " at: [";
constexpr std::string_view kLastFunctions[] = {"last function: ", " workfn="};

// Most lines hold no fact and no site: one scan tells.
bool holds_any(std::string_view text) {
  static const Pattern kNeedles = [] {
    std::string any;
    for (const Detail* detail : details()) {
      any += any.empty() ? "" : "|";
      any += literal(detail->needle);
    }
    for (const std::string_view site : {kLockAt, kLockAtAddress}) any += "|" + literal(site);
    for (const std::string_view site : kLastFunctions) any += "|" + literal(site);
    return Pattern(any);
  }();
  return kNeedles.matches(text);
}

bool is_hex(char c) {
  return std::isxdigit(static_cast<unsigned char>(c)) != 0;
}

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

std::size_t count_hex(std::string_view text) {
  const auto end = std::ranges::find_if_not(text, is_hex);
  return static_cast<std::size_t>(end - text.begin());
}

// "RAX", "CR2", "knlGS", "x0", "r10", "lr" ...
bool is_register(std::string_view name) {
  constexpr std::string_view kNames[] = {"knlGS", "sp", "lr", "pc", "pstate", "ip", "fp"};
  const auto upper = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (name.size() < 2 || name.size() > 8) return false;
  const std::string_view rest = name.substr(1);
  if (upper(name[0]) && !digit(name[0])) return std::ranges::all_of(rest, upper);
  if (name[0] == 'x' || name[0] == 'r') return rest.size() <= 2 && std::ranges::all_of(rest, digit);
  return std::ranges::find(kNames, name) != std::end(kNames);
}

// The value behind a register's colon: 8 to 16 digits; "0010:" and "[<" may stand before them.
std::string_view value_behind(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  if (text.starts_with("[<")) text.remove_prefix(2);
  if (count_hex(text) == 4 && text.size() > 4 && text[4] == ':') text.remove_prefix(5);
  const std::size_t digits = count_hex(text);
  const bool whole = digits == text.size() || !is_word(text[digits]);
  return digits >= 8 && digits <= 16 && whole ? text.substr(0, digits) : std::string_view();
}

// The word before a register's colon, "x9 :" and "RAX:".
std::string_view name_before(std::string_view text) {
  if (text.ends_with(' ')) text.remove_suffix(1);
  std::size_t begin = text.size();
  while (begin > 0 && is_word(text[begin - 1])) --begin;
  if (begin > 0 && text[begin - 1] != ' ' && text[begin - 1] != '(') return {};
  return text.substr(begin);
}

struct Register {
  std::string_view name, value;
};

// The next register and its value; `rest` goes on behind it.
std::optional<Register> next_register(std::string_view& rest) {
  for (std::size_t at = rest.find(':'); at != std::string_view::npos; at = rest.find(':', at + 1)) {
    const Register found{name_before(rest.substr(0, at)), value_behind(rest.substr(at + 1))};
    if (found.value.empty() || !is_register(found.name)) continue;
    rest.remove_prefix(static_cast<std::size_t>(found.value.data() - rest.data()) +
                       found.value.size());
    return found;
  }
  return std::nullopt;
}

// x86's page fault error code: bit 1 a write, bit 4 an instruction fetch.
std::string decode_error_code(std::string_view text) {
  const auto code = number<std::uint32_t>(text, 16);
  if (!code) return {};
  if ((*code & 0x10) != 0) return "execute";
  return (*code & 0x2) != 0 ? "write" : "read";
}

// Lines without facts that still belong to a report.
bool is_filler(std::string_view text) {
  static const Pattern kFiller(
      R"(^\s*(?:Modules linked in|Hardware name|Code: |Stack:|Workqueue: |task: |Oops[: [-]|PGD |pgd = |\*?\[[0-9a-f]{8,16}\] |Mem abort info|Data abort info|ESR = |EC = |SET = |EA = |FSC = |ISV = |CM = |user pgtable|swapper pgtable|Internal error|SMP|PREEMPT|Dumping ftrace|\(ftrace|----*|====*|\*\*\*|Kernel Offset|Rebooting in|Kernel panic|<(?:/)?(?:IRQ|TASK|NMI|SOFTIRQ|#DF|#PF|EOI|ENTRY)|#PF: |-----\[|---\[|8<---|The buggy address|page:|flags: |raw: |page dumped|Memory state|[ >]?[0-9a-f]{16}: |\^|Object |Redzone |Padding |Bytes b4|Slab 0x|INFO: (?:Slab|Object|0x|Allocated|Freed)|FIX |0x[0-9a-f]+-0x|Allocated |Freed |[a-z_]+ (?:of size|by task)|which belongs|Disabling lock|Showing|(?:\d+ )?locks? held|#\d+: |other info|Possible|CPU0|the existing|-> #|Chain exists|stack backtrace|but task|which lock|is trying|Last |kfence-#|KASAN: |list_(?:add|del)|kernel BUG|invalid opcode|WARNING: |Call [Tt]race|fbcon|[0-9a-f]{4}: +[0-9a-f]{8} |Register [rx]\d+ information|r\d+:[0-9a-f]{8}|watchdog|[0-9a-f]{16}(?: [0-9a-f]{16})+|Call Trace|unwind|workqueue [\w.-]+: flags|pwq \d+: |in-flight: |pending: |[0-9a-f]{3}: (?:[0-9a-f]{2} )+|(?:Prev|Next) obj: |Last user: |irq event|hardirqs|softirqs|Local variable|=> |Bytes |Uninit|Memory access|Data copied|value changed|RIP |\? 0x|entry_|general protection)|^\[<[0-9a-f]+>\])");
  if (text.empty()) return true;
  return kFiller.matches(text);
}

}  // namespace

void fill_fields(const Captures& captures, Report& report) {
  fill_number(captures["addr"], 16, report.address);
  fill_number(captures["addr2"], 16, report.address);
  fill_number(captures["size"], 10, report.access_size);
  fill_number(captures["object"], 16, report.object.address);
  fill_number(captures["object_size"], 10, report.object.size);
  fill_number(captures["offset"], 10, report.object.offset);
  fill_text(captures["bytes"], report.object.bytes);
  fill_number(captures["pid"], 10, report.pid);
  fill_number(captures["pid2"], 10, report.pid);
  fill_number(captures["cpu"], 10, report.cpu);
  fill_number(captures["cpu2"], 10, report.cpu);
  fill_text(access_word(captures["access"]), report.access);
  fill_text(access_word(captures["access2"]), report.access);
  fill_text(captures["cache"], report.cache);
  fill_text(captures["comm"], report.comm);
  if (const auto taint = captures["taint"]; report.taint.empty() && !taint.empty()) {
    constexpr std::string_view kWord = "Tainted: ";
    const std::string_view letters = taint.starts_with(kWord) ? taint.substr(kWord.size()) : taint;
    if (letters != "Not tainted") {
      std::copy_if(letters.begin(), letters.end(), std::back_inserter(report.taint),
                   [](char c) { return c != ' '; });
    }
  }
}

bool BodyParser::feed(std::string_view text) {
  ++line_;
  if (text.starts_with("---[ end ")) {
    ended_ = true;
    if (has_stack_) trail_closed_ = true;
    return true;
  }
  if (feed_stack(text)) return true;
  bool belongs = feed_program_counter(text);
  belongs = feed_registers(text) || belongs;
  if (holds_any(text)) {
    belongs = feed_details(text) || belongs;
    belongs = feed_site(text) || belongs;
  }
  return belongs || is_filler(text);
}

void BodyParser::add_step(Mark mark, Frame frame) {
  if (trail_closed_ || trail_.size() >= kMaxSteps) return;
  if (is_heading(mark)) under_heading_ = true;
  trail_.push_back({mark, std::move(frame), line_});
}

void BodyParser::begin_stack(Mark mark, std::string_view text) {
  // "Preemption disabled at:" is one frame, above the stack's heading.
  if (mark == Mark::kTrace && !under_heading_ && main_.size() <= kStrayFrames) main_.clear();
  if (!main_.empty()) main_closed_ = true;
  if (mark == Mark::kTrace && next_is_foreign_) mark = Mark::kForeign;
  next_is_foreign_ = mark == Mark::kForeign && !next_is_foreign_;
  add_step(mark == Mark::kForeign ? Mark::kOther : mark);
  if (mark == Mark::kTrace || mark == Mark::kBacktrace) {
    current_ = main_closed_ ? &other_ : &main_;
    return;
  }
  if (mark == Mark::kAllocated) {
    current_ = allocated_.empty() ? &allocated_ : &other_;
  } else if (mark == Mark::kFreed) {
    current_ = freed_.empty() ? &freed_ : &other_;
  } else {
    current_ = &other_;
    return;
  }
  // SLUB names the first frame of a track in its header: "Freed in f+0x1/0x2 age=3 cpu=0 pid=1".
  const std::size_t in = text.find(" in ");
  if (in == std::string_view::npos) return;
  if (auto frame = parse_frame(text.substr(in + 4))) add_frame(std::move(*frame));
}

void BodyParser::add_frame(Frame frame) {
  if (fault_injection().contains(frame.function) && frame.reliable) {
    add_step(Mark::kInjected);
  } else {
    if (under_heading_ && frame.reliable) has_stack_ = true;
    // Other logs of the same bug have none.
    if (!frame.inlined) add_step(Mark::kFrame, frame);
  }
  if (!frame.reliable) --line_;
  if (!ended_ && current_->size() < kMaxFrames) current_->push_back(std::move(frame));
}

bool BodyParser::feed_stack(std::string_view text) {
  if (const auto mark = parse_heading(text)) {
    begin_stack(*mark, text);
    return true;
  }
  if (text.find("(stack is not available)") != std::string_view::npos) {
    add_step(Mark::kNoStack);
    return true;
  }
  auto frame = parse_frame(text);
  if (!frame) return false;
  const bool repeated = !trail_.empty() && trail_.back().mark == Mark::kFrame &&
                        trail_.back().frame.function == frame->function && frame->size == 0;
  if (!repeated) add_frame(std::move(*frame));
  if (auto caller = parse_caller(text)) add_frame(std::move(*caller));
  return true;
}

bool BodyParser::feed_program_counter(std::string_view text) {
  auto pc = parse_program_counter(text);
  if (!pc) return false;
  if (pc->frame && pc->frame->inlined) return true;
  user_registers_ = pc->user;
  add_step(Mark::kPc, pc->frame.value_or(Frame{}));
  if (pc->user || ended_) return true;
  if (!pc_ && main_.empty() && pc->frame) {
    pc_ = std::move(pc->frame);
    if (pc->address) report_.registers.emplace("RIP", *pc->address);
  } else if (pc_ && pc->frame && pc->frame->function == pc_->function &&
             pc->frame->offset == pc_->offset) {
    return true;  // old kernels print it again at the end
  } else if (pc->frame && !pc->repeated && current_ == &main_ && !main_.empty()) {
    main_.push_back(std::move(*pc->frame));  // an interrupt in the middle of the stack
  } else if (!pc_ && pc->frame && pc->repeated) {
    pc_ = std::move(pc->frame);
  }
  return true;
}

bool BodyParser::feed_site(std::string_view text) {
  std::size_t at = text.find(kLockAt);
  if (at != std::string_view::npos) at += kLockAt.size();
  if (at == std::string_view::npos) {
    at = text.find(kLockAtAddress);
    if (at != std::string_view::npos) at += kLockAtAddress.size() - 1;
  }
  if (at != std::string_view::npos) {
    auto site = parse_frame(text.substr(at));
    if (site) add_step(Mark::kLockSite, std::move(*site));
    return site.has_value();
  }
  for (const std::string_view needle : kLastFunctions) {
    const std::size_t last = text.find(needle);
    if (last == std::string_view::npos) continue;
    const std::string_view name = text.substr(last + needle.size());
    Frame frame;
    frame.function = plain_name(name.substr(0, name.find(' ')));
    add_step(Mark::kLastWorked, std::move(frame));
    return true;
  }
  return false;
}

bool BodyParser::feed_registers(std::string_view text) {
  bool any = false;
  while (const auto found = next_register(text)) {
    const auto value = number<std::uint64_t>(found->value, 16);
    const bool counts = found->name == "CR2" || (!user_registers_ && main_.empty() && !ended_);
    // "IP: [<...>]" is how old kernels announce what RIP tells below.
    if (value && counts && found->name != "IP") report_.registers.emplace(found->name, *value);
    any = true;
  }
  return any;
}

bool BodyParser::feed_details(std::string_view text) {
  Captures captures;
  for (const Detail* detail : details()) {
    if (text.find(detail->needle) == std::string_view::npos) continue;
    if (!detail->pattern.match(text, captures)) continue;
    if (detail->needle == "EC = ") {
      fill_text("execute", report_.access);
    } else if (const auto code = captures["error_code"]; !code.empty()) {
      if (page_fault_) fill_text(decode_error_code(code), report_.access);
    } else {
      fill_fields(captures, report_);
      fill_number(captures["slab_offset"], 10, slab_offset_);
      fill_number(captures["object_offset"], 10, object_offset_);
      // SLUB counts both from the slab.
      if (slab_offset_ && object_offset_ && *slab_offset_ >= *object_offset_) {
        report_.object.offset = *slab_offset_ - *object_offset_;
      }
      // Kernels before 5.1 print the bad byte's address only.
      const auto object = report_.object.address;
      if (!report_.object.offset && !report_.object.bytes.empty() && object && report_.address &&
          *report_.address >= *object) {
        report_.object.offset = *report_.address - *object;
      }
    }
    return true;
  }
  return false;
}

}  // namespace rig::oops
