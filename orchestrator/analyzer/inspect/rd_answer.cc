// SPDX-License-Identifier: Apache-2.0
// rd: memory as it lies there.
#include <algorithm>

#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "analyzer/inspect/object_bytes.h"
#include "analyzer/inspect/options.h"
#include "analyzer/inspect/place.h"
#include "analyzer/inspect/pointee.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxBytes = 16 << 20;
constexpr std::uint64_t kPerLine = 16;

constexpr OptionSpec kRd{"rd", "asSp", "e",
                         "[-8 | -16 | -32 | -64] [-a] [-s | -S] [-p] [-e END] ADDR|SYMBOL[+OFFSET] "
                         "[COUNT]"};

struct RdRequest {
  VirtAddr at{};  // with `physical` a physical address
  std::uint64_t word = 8;
  std::uint64_t count = 1;
  bool ascii = false, symbols = false, pointees = false, physical = false;
  bool to_nul = false;  // a string without COUNT: up to its end
};

// Physical memory through the interface of virtual memory.
class PhysicalView final : public VirtMemory {
 public:
  explicit PhysicalView(const PhysMemory& memory) : memory_(memory) {}
  Read<void> read(VirtAddr address, MutableBytes out) const override {
    return memory_.read(PhysAddr{raw(address)}, out);
  }
  Read<PhysAddr> translate(VirtAddr address) const override { return PhysAddr{raw(address)}; }

 private:
  const PhysMemory& memory_;
};

Result<RdRequest> understand(const Kernel& kernel, Arguments arguments) {
  RdRequest request;
  std::vector<std::string> rest;
  for (const std::string& word : arguments) {
    const auto size = word == "-8"    ? 1u
                      : word == "-16" ? 2u
                      : word == "-32" ? 4u
                      : word == "-64" ? 8u
                                      : 0u;
    if (size != 0) request.word = size;
    if (size == 0) rest.push_back(word);
  }
  RIG_ASSIGN(const GivenOptions options, parse_options(kRd, rest));
  if (options.words.empty() || options.words.size() > 2) return misused(kRd, "wants an address");
  request.ascii = options.has('a');
  request.symbols = options.has('s');
  request.pointees = options.has('S');
  request.physical = options.has('p');
  if (request.ascii) request.word = 1;
  RIG_ASSIGN(request.at, parse_place(kernel, options.words[0]));
  std::int64_t count = 1;
  if (options.words.size() == 2) {
    RIG_ASSIGN(count, parse_count(kRd, options.words[1]));
  }
  if (const auto text = options.value('e')) {
    RIG_ASSIGN(const VirtAddr end, parse_place(kernel, *text));
    if (end <= request.at) return misused(kRd, "END lies before ADDR");
    count = static_cast<std::int64_t>((end - request.at + request.word - 1) / request.word);
  } else if (options.words.size() == 1 && request.ascii) {
    count = 256;
    request.to_nul = true;
  }
  if (count < 0) {
    request.at = request.at - static_cast<std::uint64_t>(-count - 1) * request.word;
    count = -count;
  }
  request.count = static_cast<std::uint64_t>(count);
  if (request.count == 0 || request.count > kMaxBytes / request.word) {
    return misused(kRd, fmt::format("{} words are none or too many", request.count));
  }
  return request;
}

class RdAnswer {
 public:
  RdAnswer(Session& session, const Kernel& kernel, const VirtMemory& memory,
           const RdRequest& request)
      : kernel_(kernel),
        request_(request),
        object_(memory, request.at, request.count * request.word),
        session_(session),
        pointee_(session, kernel) {}

  Answer answer() {
    std::uint64_t size = request_.count * request_.word;
    if (request_.to_nul) size = string_size(size);
    const std::uint64_t line = request_.pointees ? request_.word : kPerLine;
    for (std::uint64_t at = 0; at < size;) {
      const auto part = std::min(line, size - at);
      if (const auto fault = object_.missing(at, part)) {
        at = skip(at, part, size, *fault);
        continue;
      }
      if (request_.ascii) {
        text_ += fmt::format("{:x}:  {}\n", raw(request_.at + at), characters(at, part));
        words_.push_back(boost::json::value(utf8(as_text(*slice(object_.bytes(), at, part)))));
      } else {
        add_line(at, part, line);
      }
      at += part;
    }
    boost::json::object json{
        {"address", hex(request_.at)}, {"word_size", request_.word}, {"words", std::move(words_)}};
    if (!missing_.empty()) {
      json["missing"] = std::move(missing_);
      if (const auto note = user_note(); !note.empty()) {
        text_ += fmt::format("note: {}\n", printable(note));
        json["note"] = utf8(note);
      }
    }
    return {std::move(text_), boost::json::serialize(json)};
  }

 private:
  // Only the kernel's page tables are read: each task maps the lower half as it likes.
  std::string user_note() const {
    if (request_.physical || (raw(request_.at) >> 55 & 1) != 0) return {};
    std::string note = fmt::format(
        "{} is a user address, which means another place in each task; rd reads the kernel's",
        request_.at);
    const CpuSnapshot* cpu = session_.panic_cpu();
    if (!cpu || !cpu->task) return note;
    return note + fmt::format(" (the task on the CPU of interest was {}, PID {})", cpu->task->comm,
                              cpu->task->pid.value_or(0));
  }

  // Lines that are not whole are said once for the whole hole, and left out.
  std::uint64_t skip(std::uint64_t at, std::uint64_t part, std::uint64_t size,
                     const ReadFault& fault) {
    std::uint64_t end = at + part;
    while (end < size) {
      const auto next = object_.missing(end, std::min(kPerLine, size - end));
      if (!next || next->why != fault.why) break;
      end += std::min(request_.pointees ? request_.word : kPerLine, size - end);
    }
    const std::uint64_t words = (end - at) / request_.word;
    text_ += fmt::format("{:x}:  {}, {} word{} left out\n", raw(request_.at + at),
                         placeholder(fault), words, words == 1 ? "" : "s");
    for (std::uint64_t i = 0; i < words; ++i) words_.push_back(nullptr);
    missing_.push_back(boost::json::object{{"address", hex(request_.at + at)},
                                           {"bytes", end - at},
                                           {"why", utf8(to_string(fault.why))}});
    return end;
  }

  // Without the NUL, which may be missing; an empty one is shown as it lies there.
  std::uint64_t string_size(std::uint64_t size) const {
    for (std::uint64_t at = 0; at < size && !object_.missing(at, 1); ++at) {
      if (object_.bytes()[at] == std::byte{0}) return at == 0 ? size : at;
    }
    return size;
  }

  std::uint64_t word(std::uint64_t at) const {
    std::uint64_t value = 0;
    if (const auto bytes = slice(object_.bytes(), at, request_.word)) {
      std::memcpy(&value, bytes->data(), request_.word);
    }
    return value;
  }

  std::string characters(std::uint64_t at, std::uint64_t size) const {
    std::string text;
    for (const char c : as_text(*slice(object_.bytes(), at, size))) {
      text += c >= 0x20 && c < 0x7f ? c : '.';
    }
    return text;
  }

  std::string word_text(std::uint64_t value) {
    const std::string plain = fmt::format("{:0{}x}", value, request_.word * 2);
    if (!request_.symbols || request_.word != 8) return plain;
    const auto symbol = symbol_text(kernel_, VirtAddr{value});
    return symbol ? fmt::format("{:<16}", *symbol) : plain;
  }

  void add_line(std::uint64_t at, std::uint64_t size, std::uint64_t line) {
    text_ += fmt::format("{:x}:  ", raw(request_.at + at));
    const std::uint64_t width = request_.word * 2 + 1;
    for (std::uint64_t i = 0; i + request_.word <= size; i += request_.word) {
      const std::uint64_t value = word(at + i);
      text_ += word_text(value) + " ";
      if (!request_.pointees) {
        words_.push_back(boost::json::value(hex(value)));
        continue;
      }
      const std::string what = request_.word == 8 ? pointee_.words(VirtAddr{value}) : "";
      text_ += what.empty() ? "" : " " + printable(what);
      boost::json::object json{{"value", hex(value)}};
      if (!what.empty()) json["what"] = utf8(what);
      words_.push_back(std::move(json));
    }
    if (!request_.pointees && !request_.symbols) {
      text_ += std::string((line - size) / request_.word * width + 2, ' ') + characters(at, size);
    }
    text_.erase(text_.find_last_not_of(' ') + 1);
    text_ += '\n';
  }

  const Kernel& kernel_;
  const RdRequest& request_;
  ObjectBytes object_;
  Session& session_;
  Pointee pointee_;
  std::string text_;
  boost::json::array words_, missing_;
};

}  // namespace

Result<Answer> answer_rd(Session& session, Arguments arguments) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  RIG_ASSIGN(const RdRequest request, understand(*kernel, arguments));
  if (!request.physical) return RdAnswer(session, *kernel, kernel->memory(), request).answer();
  const PhysicalView memory(session.core().memory());
  return RdAnswer(session, *kernel, memory, request).answer();
}

}  // namespace rig::analyzer
