// SPDX-License-Identifier: Apache-2.0
// dis: code as it lies in memory, so with every patch that the kernel made to itself.
#include <algorithm>

#include "analyzer/code/disassembler.h"
#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "analyzer/inspect/object_bytes.h"
#include "analyzer/inspect/options.h"
#include "analyzer/inspect/place.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxFunction = 1 << 20;
constexpr std::int64_t kMaxInstructions = 100'000;

constexpr OptionSpec kDis{"dis", "rfl", "", "[-l] [-r | -f] ADDR|SYMBOL[+OFFSET] [COUNT]"};

// What is to be disassembled.
struct Stretch {
  VirtAddr begin{};
  VirtAddr end{};  // no instruction begins here or later
  std::uint64_t most = ~std::uint64_t{0};
};

// Where the code around `address` begins and ends, by the symbols around it.
std::optional<Stretch> function_at(const Kernel& kernel, VirtAddr address) {
  const auto code = kernel.code(address);
  if (!code || code->function.empty()) return std::nullopt;
  Stretch stretch{address - code->offset, address + kMaxFunction};
  if (code->module.empty()) {
    const auto after = kernel.symbols() ? kernel.symbols()->next_after(address) : std::nullopt;
    if (after) stretch.end = *after;
  } else if (const Module* module = kernel.modules()->containing(address)) {
    const ModuleRange* range = module->range_of(address);
    stretch.end = range->begin + range->size;
    for (const ModuleSymbol& each : kernel.modules()->symbols(*module)) {
      if (VirtAddr{each.address} > address) {
        stretch.end = std::min(stretch.end, VirtAddr{each.address});
        break;
      }
    }
  }
  if (stretch.end - stretch.begin > kMaxFunction) stretch.end = stretch.begin + kMaxFunction;
  return stretch;
}

Result<Stretch> understand(const Kernel& kernel, const GivenOptions& options,
                           std::uint64_t longest) {
  if (options.words.empty() || options.words.size() > 2) return misused(kDis, "wants an address");
  RIG_ASSIGN(const VirtAddr at, parse_place(kernel, options.words[0]));
  const auto function = function_at(kernel, at);
  if (options.words.size() == 2) {
    RIG_ASSIGN(const std::int64_t count, parse_count(kDis, options.words[1]));
    if (count <= 0 || count > kMaxInstructions) return misused(kDis, "COUNT is none or too large");
    const auto most = static_cast<std::uint64_t>(count);
    // Up to ADDR the count is of the last ones: the caller cuts.
    if (options.has('r') && function) return Stretch{function->begin, at + 1, most};
    return Stretch{at, at + most * longest, most};
  }
  if (!function) {
    if (options.has('r')) return fail(Blame::kInput, "dis: {} is in no function", at);
    return Stretch{at, at + 1, 1};
  }
  if (options.has('r')) return Stretch{function->begin, at + 1};
  if (options.has('f')) return Stretch{at, function->end};
  // A whole function by its name; an address alone is one instruction's.
  if (at == function->begin || !parse_number(options.words[0])) return *function;
  return Stretch{at, at + 1, 1};
}

class DisAnswer {
 public:
  // `lines`: the source line before the first instruction of each.
  DisAnswer(Session& session, const Kernel& kernel, Disassembler& disassembler, bool lines)
      : session_(session), kernel_(kernel), disassembler_(disassembler), show_lines_(lines) {
    for (const CpuSnapshot& cpu : session.cpus()) {
      current_.emplace_back(cpu.state.pc, fmt::format("CPU {}", cpu.number));
    }
    if (const auto& exception = session.exception(); exception && exception->facts.at) {
      current_.emplace_back(exception->facts.at->address, "the exception");
    }
  }

  Answer answer(const Stretch& stretch, std::uint64_t last) {
    const ObjectBytes code(kernel_.memory(), stretch.begin,
                           stretch.end - stretch.begin + disassembler_.longest());
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; i < stretch.most && stretch.begin + at < stretch.end; ++i) {
      const std::uint64_t left = code.bytes().size() - at;
      const auto window = std::min(disassembler_.longest(), left);
      if (code.missing(at, 1)) {
        at = skip(code, stretch, at);
        continue;
      }
      // Of a page that is missing behind this one the zeroes would be taken for code.
      std::uint64_t whole = window;
      while (code.missing(at, whole)) --whole;
      const Instruction each =
          disassembler_.next(code.bytes().subspan(at, whole), stretch.begin + at);
      add(each, code.bytes().subspan(at, each.size));
      at += each.size;
    }
    if (last != 0 && lines_.size() > last) {
      lines_.erase(lines_.begin(), lines_.end() - static_cast<std::ptrdiff_t>(last));
      json_.erase(json_.begin(), json_.end() - static_cast<std::ptrdiff_t>(last));
    }
    return {fmt::format("{}\n", fmt::join(lines_, "\n")), boost::json::serialize(json_)};
  }

 private:
  std::uint64_t skip(const ObjectBytes& code, const Stretch& stretch, std::uint64_t at) {
    const VirtAddr from = stretch.begin + at;
    lines_.push_back(fmt::format("  {}: {}", from, placeholder(*code.missing(at, 1))));
    json_.push_back(boost::json::object{{"address", hex(from)},
                                        {"missing", placeholder(*code.missing(at, 1))}});
    const std::uint64_t size = stretch.end - stretch.begin;
    while (at < size && code.missing(at, 1)) at += disassembler_.step();
    return at;
  }

  std::string marks(VirtAddr at) const {
    std::string text;
    for (const auto& [pc, who] : current_) {
      if (pc == at) text += (text.empty() ? "" : ", ") + who;
    }
    return text;
  }

  // "net/core/skbuff.c: 701", and nothing when it is the line of the instruction before.
  std::string source_line(VirtAddr at) {
    if (!show_lines_) return {};
    const auto lines = session_.lines(at);
    if (lines.empty()) return {};
    const std::string text = printable(fmt::format("{}: {}", lines[0].file, lines[0].line));
    return std::exchange(last_line_, text) == text ? std::string() : text;
  }

  void add(const Instruction& each, ByteView bytes) {
    const std::string mark = marks(each.at);
    const std::string source = source_line(each.at);
    std::string text = printable(each.text);
    boost::json::object json{{"address", hex(each.at)}, {"bytes", hex(bytes)}};
    if (const auto symbol = symbol_text(kernel_, each.at)) json["at"] = utf8(*symbol);
    json["text"] = utf8(text);
    if (each.target) {
      if (const auto symbol = symbol_text(kernel_, *each.target)) {
        text += fmt::format(" <{}>", decimal(*symbol));
        json["target"] = utf8(*symbol);
      }
    }
    if (each.data) add_data(each, text, json);
    if (each.per_cpu && kernel_.symbols()) {
      if (const auto variable = kernel_.symbols()->nearest_per_cpu(*each.per_cpu)) {
        const std::uint64_t offset = *each.per_cpu - variable->address;
        text += fmt::format("  # per CPU: {}", variable->name);
        if (offset != 0) text += fmt::format("+{:#x}", offset);
        json["per_cpu"] = utf8(variable->name);
      }
    }
    if (!mark.empty()) json["current"] = mark;
    if (!source.empty()) json["line"] = source;
    const auto symbol = symbol_text(kernel_, each.at);
    // In one element with the instruction, so that cutting does not part them.
    lines_.push_back((source.empty() ? "" : source + "\n") +
                     fmt::format("{} {}{}:\t{}{}", mark.empty() ? ' ' : '>', each.at,
                                 symbol ? " <" + decimal(*symbol) + ">" : "", text,
                                 mark.empty() ? "" : "   <== " + mark));
    json_.push_back(std::move(json));
  }

  // "schedule+0x5" as "schedule+5": where crash and gdb count in decimal.
  static std::string decimal(const std::string& symbol) {
    const auto plus = symbol.find("+0x");
    if (plus == symbol.npos) return symbol;
    const auto end = std::min(symbol.find(' ', plus), symbol.size());
    const auto offset = parse_u64(std::string_view(symbol).substr(plus + 1, end - plus - 1));
    if (!offset) return symbol;
    return fmt::format("{}+{}{}", symbol.substr(0, plus), *offset, symbol.substr(end));
  }

  void add_data(const Instruction& each, std::string& text, boost::json::object& json) const {
    const auto symbol = symbol_text(kernel_, *each.data);
    if (!symbol && each.fetched == 0u) return;
    text += symbol ? fmt::format("  # {} <{}>", *each.data, *symbol)
                   : fmt::format("  # {}", *each.data);
    json["data"] = hex(*each.data);
    if (symbol) json["symbol"] = utf8(*symbol);
    const std::uint64_t size = each.fetched.value_or(0);
    if (size == 0 || size > sizeof(std::uint64_t)) return;
    const ObjectBytes value(kernel_.memory(), *each.data, size);
    if (value.missing(0, size)) return;
    std::uint64_t number = 0;
    std::memcpy(&number, value.bytes().data(), size);
    text += fmt::format(" = {:#x}", number);
    json["value"] = hex(number);
  }

  Session& session_;
  const Kernel& kernel_;
  Disassembler& disassembler_;
  bool show_lines_;
  std::string last_line_;
  std::vector<std::pair<VirtAddr, std::string>> current_;
  std::vector<std::string> lines_;
  boost::json::array json_;
};

}  // namespace

Result<Answer> answer_dis(Session& session, Arguments arguments) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  RIG_ASSIGN(const GivenOptions options, parse_options(kDis, arguments));
  RIG_ASSIGN(Disassembler disassembler, Disassembler::open(session.core().arch()));
  RIG_ASSIGN(Stretch stretch, understand(*kernel, options, disassembler.longest()));
  std::uint64_t last = 0;
  if (options.has('r') && stretch.most != ~std::uint64_t{0}) {
    last = std::exchange(stretch.most, ~std::uint64_t{0});
  }
  if (options.has('l') && !session.has_debuginfo()) {
    return fail_hint(Blame::kInput, "give --debuginfo PATH, or leave -l out",
                     "dis: a core has no source lines of its own");
  }
  return DisAnswer(session, *kernel, disassembler, options.has('l')).answer(stretch, last);
}

}  // namespace rig::analyzer
