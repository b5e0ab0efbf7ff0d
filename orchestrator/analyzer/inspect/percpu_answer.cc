// SPDX-License-Identifier: Apache-2.0
// percpu: the value on every CPU, of static variables and of what alloc_percpu() gave.
#include <algorithm>

#include "analyzer/facts/percpu.h"
#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "analyzer/inspect/found_type.h"
#include "analyzer/inspect/options.h"
#include "analyzer/inspect/place.h"
#include "analyzer/inspect/pointee.h"
#include "analyzer/inspect/value_text.h"
#include "analyzer/symbols/btf_text.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxVariable = 1 << 20;

constexpr OptionSpec kPerCpu{
    "percpu", "xc", "",
    "[-x] NAME[.MEMBER][:CPU|:a] | [-x] POINTER [TYPE[.MEMBER] | BYTES] | -c (all chunks)"};

// What is to be shown on each CPU.
struct PercpuSubject {
  std::string title;  // "struct rq runqueues"
  VirtAddr pointer{};
  FoundType type;
  std::string member;           // of `type`, or empty
  std::uint64_t bytes = 0;      // without a type: so many, in words
  std::optional<unsigned> cpu;  // nothing: all
};

class PerCpuAnswer {
 public:
  PerCpuAnswer(Session& session, const Kernel& kernel, PerCpu& areas, bool hex_values)
      : kernel_(kernel), areas_(areas), pointee_(session, kernel) {
    style_.hex = hex_values;
    style_.pointee = [this](VirtAddr address) { return pointee_.brief(address); };
  }

  Answer answer(const PercpuSubject& subject) {
    text_ = subject.title + "\n";
    json_["pointer"] = hex(subject.pointer);
    if (const auto place = areas_.place(subject.pointer)) add_place(*place);
    boost::json::array values;
    for (unsigned cpu = 0; cpu < areas_.offsets().size(); ++cpu) {
      if (subject.cpu && *subject.cpu != cpu) continue;
      if (areas_.offsets()[cpu] == 0) {
        text_ += fmt::format("[{}]: <this CPU's area is not known>\n", cpu);
        continue;
      }
      values.push_back(add_cpu(subject, cpu));
    }
    json_["cpus"] = std::move(values);
    return {std::move(text_), boost::json::serialize(json_)};
  }

 private:
  void add_place(const PerCpuPlace& place) {
    text_ += "  " + place.words + (place.populated ? "\n" : ", without pages of its own\n");
    json_["what"] = utf8(place.words);
    json_["allocated"] = place.allocated;
    if (place.bytes) json_["bytes"] = *place.bytes;
    if (place.begin) json_["begin"] = hex(*place.begin);
  }

  boost::json::object add_cpu(const PercpuSubject& subject, unsigned cpu) {
    const VirtAddr at = areas_.on(cpu, subject.pointer);
    boost::json::object json{{"cpu", cpu}, {"address", hex(at)}};
    if (!subject.type.types) {
      const std::string words = raw_words(at, subject.bytes);
      text_ += fmt::format("[{}]: {:x}  {}\n", cpu, raw(at), words);
      json["value"] = words;
      return json;
    }
    const ValueNode node = value(subject, at);
    text_ += fmt::format("[{}]: {:x}  {}\n", cpu, raw(at), value_text(node, 0));
    for (auto& [key, each] : value_json(node)) json[key] = each;
    return json;
  }

  ValueNode value(const PercpuSubject& subject, VirtAddr at) const {
    const Btf& types = *subject.type.types;
    const auto part = find_part(types, subject.type.id, subject.member);
    ValueNode node;
    const std::uint64_t bytes = !part                 ? 0
                                : part->bit_size != 0 ? (part->bit_offset + part->bit_size + 7) / 8
                                                      : types.size_of(part->type).value_or(0);
    if (!part || bytes == 0 || bytes > kMaxVariable) {
      node.text = "<unknown type>";
      return node;
    }
    const ObjectBytes object(kernel_.memory(), at + part->offset, bytes);
    if (part->bit_size != 0) {
      const Member field{0, bytes, part->bit_offset, part->bit_size, part->type, {}};
      return decode_bit_field(types, part->type, kernel_.memory(), object, field, style_);
    }
    return decode_value(types, part->type, kernel_.memory(), object, 0, style_);
  }

  std::string raw_words(VirtAddr at, std::uint64_t bytes) const {
    const ObjectBytes object(kernel_.memory(), at, bytes);
    if (const auto fault = object.missing(0, bytes)) return placeholder(*fault);
    std::string text;
    for (std::uint64_t i = 0; i < bytes; i += 8) {
      std::uint64_t word = 0;
      const std::uint64_t size = std::min<std::uint64_t>(8, bytes - i);
      std::memcpy(&word, object.bytes().data() + i, size);
      text += fmt::format("{}{:0{}x}", i == 0 ? "" : " ", word, size * 2);
    }
    return text;
  }

  const Kernel& kernel_;
  PerCpu& areas_;
  Pointee pointee_;
  ValueStyle style_;
  std::string text_;
  boost::json::object json_;
};

Answer chunks_answer(PerCpu& areas) {
  std::string text = fmt::format("{:<18} {:<9} {:>6} {:>9} {:>11} {:>10} {:>10}\n", "BASE", "LIST",
                                 "PAGES", "POPULATED", "ALLOCATIONS", "ALLOCATED", "FREE");
  boost::json::array list;
  for (const PerCpuChunk& chunk : areas.chunks()) {
    text += fmt::format("{:<18} {:<9} {:>6} {:>9} {:>11} {:>10} {:>10}\n", chunk.base, chunk.list,
                        chunk.pages, chunk.populated, chunk.allocations, chunk.allocated_bytes,
                        chunk.free_bytes);
    list.push_back(boost::json::object{{"at", hex(chunk.at)},
                                       {"base", hex(chunk.base)},
                                       {"list", chunk.list},
                                       {"pages", chunk.pages},
                                       {"populated", chunk.populated},
                                       {"allocations", chunk.allocations},
                                       {"allocated_bytes", chunk.allocated_bytes},
                                       {"free_bytes", chunk.free_bytes}});
  }
  if (!areas.why().empty()) text += fmt::format("({})\n", areas.why());
  return {std::move(text), boost::json::serialize(list)};
}

// A module's static variables: its symbols' values are pointers already.
std::optional<VirtAddr> module_variable(const Kernel& kernel, const FoundType& variable,
                                        std::string_view name) {
  const auto base = kernel.field(variable.module->at, "module.percpu");
  const auto section = variable.types->find(TypeKind::kSection, ".data..percpu");
  const auto type = section ? variable.types->type(*section) : std::nullopt;
  if (!base || *base == 0 || !type) return std::nullopt;
  for (std::uint32_t i = 0; i < type->count; ++i) {
    const auto each = variable.types->variable(*type, i);
    if (each && each->name == name) return VirtAddr{*base + each->offset};
  }
  return std::nullopt;
}

Result<PercpuSubject> named_subject(const Kernel& kernel, std::string_view word) {
  PercpuSubject subject;
  const auto colon = word.find(':');
  const std::string_view path = word.substr(0, colon);
  const auto dot = path.find_first_of(".[");
  const std::string_view name = path.substr(0, dot);
  if (dot != path.npos) subject.member = path.substr(path[dot] == '.' ? dot + 1 : dot);
  if (colon != word.npos && word.substr(colon + 1) != "a") {
    const auto cpu = parse_u64(word.substr(colon + 1));
    if (!cpu) return misused(kPerCpu, fmt::format("'{}' is no CPU", word.substr(colon + 1)));
    subject.cpu = static_cast<unsigned>(*cpu);
  }
  const auto variable = find_variable(kernel, name);
  auto at = kernel.symbol(name);
  const bool of_a_module = !at;
  if (!at && variable && variable->module) at = module_variable(kernel, *variable, name);
  if (!at && kernel.modules()) at = kernel.modules()->per_cpu(name);
  if (!at) {
    return fail_hint(Blame::kInput, "a pointer of alloc_percpu() is given as an address and a TYPE",
                     "percpu: no per-CPU variable '{}'{}", name, near_symbols(kernel, name));
  }
  subject.pointer = *at;
  if (!variable) {
    if (!of_a_module && !kernel.nearest_per_cpu(*at)) {
      return fail_hint(Blame::kInput, fmt::format("`rd {}` shows it", name),
                       "percpu: '{}' is no per-CPU variable", name);
    }
    subject.bytes = 8;
    subject.title = fmt::format("{} (of a type that is not known)", name);
    return subject;
  }
  const auto type = variable->types->type(variable->id);
  subject.type = {variable->types, type->word, variable->module};
  subject.title = declaration(*variable->types, type->word, name);
  if (!subject.member.empty() && !find_part(*subject.type.types, type->word, subject.member)) {
    return fail(Blame::kInput, "percpu: '{}' has no member '{}'", name, subject.member);
  }
  return subject;
}

// "u64", "struct foo", "u64 *", "foo.bar": nothing is guessed.
Result<FoundType> wanted_type(const Kernel& kernel, std::string_view text, std::string& member) {
  const auto dot = text.find('.');
  const auto found = find_types(kernel, text.substr(0, dot));
  if (dot != text.npos) member = text.substr(dot + 1);
  for (const FoundType& each : found) {
    if (find_part(*each.types, each.id, member)) return each;
  }
  if (found.empty()) {
    return fail(Blame::kInput, "percpu: no type '{}'{}", text, near_types(kernel, text));
  }
  return fail(Blame::kInput, "percpu: no member '{}' in '{}'", member, text.substr(0, dot));
}

Result<PercpuSubject> pointer_subject(const Kernel& kernel, PerCpu& areas, VirtAddr pointer,
                                      std::span<const std::string> rest) {
  PercpuSubject subject;
  subject.pointer = pointer;
  // An address within some CPU's copy stands for the pointer that leads there.
  if (!areas.place(pointer)) subject.pointer = areas.pointer_of(pointer).value_or(pointer);
  subject.title = fmt::format("per-CPU pointer {}", subject.pointer);
  const auto place = areas.place(subject.pointer);
  if (!place && areas.complete()) {
    return fail(Blame::kInput,
                "percpu: {} is no per-CPU pointer: neither a static variable's nor of any chunk of "
                "alloc_percpu()",
                pointer);
  }
  if (!place) subject.title += " (whether it is one cannot be told)";
  subject.bytes = 8;
  if (rest.empty()) {
    // The whole allocation as it lies there.
    if (place && place->begin && place->bytes) {
      subject.pointer = *place->begin;
      subject.bytes = std::min<std::uint64_t>(*place->bytes, 256);
    }
    return subject;
  }
  const std::string words = fmt::format("{}", fmt::join(rest, " "));
  if (const auto bytes = parse_u64(words)) {
    if (*bytes == 0 || *bytes > 4096) return misused(kPerCpu, "1 to 4096 bytes can be shown");
    subject.bytes = *bytes;
    return subject;
  }
  RIG_ASSIGN(subject.type, wanted_type(kernel, words, subject.member));
  subject.title += fmt::format(", {}", words);
  return subject;
}

}  // namespace

Result<Answer> answer_percpu(Session& session, Arguments arguments) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  RIG_ASSIGN(const GivenOptions options, parse_options(kPerCpu, arguments));
  PerCpu areas(*kernel, static_cast<unsigned>(session.core().cpus().size()),
               session.arch().layout(*kernel).page_size);
  if (options.has('c')) {
    if (!options.words.empty()) return misused(kPerCpu, "-c stands alone");
    if (areas.chunks().empty()) return fail(Blame::kInput, "percpu: {}", areas.why());
    return chunks_answer(areas);
  }
  if (options.words.empty()) return misused(kPerCpu, "wants a variable or a pointer");
  if (areas.offsets().empty()) {
    return fail(Blame::kInput, "percpu: this kernel does not say where each CPU's area is");
  }
  const auto number = parse_number(options.words[0]);
  const auto rest = std::span(options.words).subspan(1);
  if (!number && !rest.empty()) return misused(kPerCpu, "a variable has its own type");
  PercpuSubject subject;
  if (number) {
    RIG_ASSIGN(subject, pointer_subject(*kernel, areas, VirtAddr{*number}, rest));
  } else {
    RIG_ASSIGN(subject, named_subject(*kernel, options.words[0]));
  }
  if (subject.cpu && *subject.cpu >= areas.offsets().size()) {
    return fail(Blame::kInput, "percpu: there is no CPU {}, the last one is {}", *subject.cpu,
                areas.offsets().size() - 1);
  }
  return PerCpuAnswer(session, *kernel, areas, options.has('x')).answer(subject);
}

}  // namespace rig::analyzer
