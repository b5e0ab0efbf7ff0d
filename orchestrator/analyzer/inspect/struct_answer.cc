// SPDX-License-Identifier: Apache-2.0
// struct, union, enum, whatis: definitions, and values of the guest by their types.
#include <algorithm>

#include "analyzer/facts/whatis.h"
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

constexpr std::uint64_t kMaxObject = 1 << 20;
constexpr std::int64_t kMaxCount = 4096;

constexpr OptionSpec kStruct{"struct", "xdo", "lc",
                             "[-x | -d] [-o] NAME[.MEMBER,...] [ADDR|SYMBOL[:CPU] [-l OFFSET] [-c "
                             "COUNT]]"};
constexpr OptionSpec kWhatis{
    "whatis", "xop", "",
    "[-x] [-o] TYPE | FUNCTION | PER-CPU-VARIABLE | ADDR|SYMBOL | -p PHYSICAL"};

struct StructRequest {
  std::string type_name;
  std::vector<std::string> members;  // empty: all of it
  std::optional<VirtAddr> at;
  std::int64_t count = 1;
  LayoutStyle style;
};

Result<std::uint64_t> back_offset(const std::string& text, std::span<const FoundType> found) {
  if (const auto number = parse_number(text)) return *number;
  // "-l task_struct.tasks", or a member of the type itself.
  for (const FoundType& each : found) {
    if (const auto member = each.types->member(text)) return member->offset;
    if (const auto part = find_part(*each.types, each.id, text)) return part->offset;
  }
  return fail(Blame::kInput, "struct: -l wants a number or TYPE.MEMBER, not '{}'", text);
}

Result<StructRequest> understand(const GivenOptions& options, const Kernel& kernel,
                                 std::vector<FoundType>& found) {
  std::vector<std::string> words = options.words;
  // "struct list_head X" came as words of its own when the question was "whatis struct list_head".
  if (words.size() >= 2 && (words[0] == "struct" || words[0] == "union" || words[0] == "enum")) {
    words[1] = words[0] + " " + words[1];
    words.erase(words.begin());
  }
  if (words.empty() || words.size() > 3) return misused(kStruct, "wants a type");
  StructRequest request;
  const auto dot = words[0].find('.');
  request.type_name = words[0].substr(0, dot);
  if (dot != std::string::npos) request.members = split(words[0].substr(dot + 1), ',');
  request.style.offsets = options.has('o');
  request.style.hex = options.has('x') && !options.has('d');
  found = find_types(kernel, request.type_name);
  if (words.size() >= 2) {
    RIG_ASSIGN(request.at, parse_place(kernel, words[1]));
    if (options.has('l')) {
      RIG_ASSIGN(const std::uint64_t back, back_offset(*options.value('l'), found));
      request.at = *request.at - back;
    }
  }
  std::string count = options.value('c').value_or(words.size() == 3 ? words[2] : "1");
  RIG_ASSIGN(request.count, parse_count(kStruct, count));
  if (request.count == 0 || std::abs(request.count) > kMaxCount) {
    return misused(kStruct, fmt::format("{} are none, or more than {}", request.count, kMaxCount));
  }
  return request;
}

// One answer in the making.
class StructAnswer {
 public:
  StructAnswer(Session& session, const Kernel& kernel, const StructRequest& request)
      : kernel_(kernel), request_(request), pointee_(session, kernel) {
    style_.hex = request.style.hex;
    style_.pointee = [this](VirtAddr address) { return pointee_.brief(address); };
  }

  // False when this type has none of the members that were asked for.
  bool add(const FoundType& type) {
    if (!request_.members.empty() && !has_all(type)) return false;
    if (type.module) text_ += fmt::format("[{}]\n", type.module->name);
    if (!request_.at) return add_definition(type);
    const auto size = type.types->size_of(type.id);
    if (!size || *size == 0 || *size > kMaxObject) {
      text_ += fmt::format("<{}: its size is not known>\n", request_.type_name);
      return true;
    }
    const std::int64_t step = request_.count < 0 ? -1 : 1;
    for (std::int64_t i = 0; i != request_.count; i += step) {
      add_object(type, *request_.at + static_cast<std::uint64_t>(i) * *size, *size);
    }
    return true;
  }

  Answer finish() {
    return {std::move(text_), boost::json::serialize(json_.size() == 1 ? json_[0] : json_)};
  }

 private:
  bool has_all(const FoundType& type) const {
    return std::ranges::all_of(request_.members, [&](const std::string& member) {
      return find_part(*type.types, type.id, member).has_value();
    });
  }

  bool add_definition(const FoundType& type) {
    if (request_.members.empty()) {
      text_ += layout_text(*type.types, type.id, request_.style);
      json_.push_back(layout_json(*type.types, type.id));
      return true;
    }
    const auto owner = type.types->type(type.id);
    text_ += type_name(*owner) + " {\n";
    for (const std::string& member : request_.members) {
      const auto part = find_part(*type.types, type.id, member);
      text_ += member_line(*type.types, *part, member, part->offset);
      json_.push_back(boost::json::object{{"name", utf8(member)},
                                          {"type", utf8(declaration(*type.types, part->type))},
                                          {"offset", part->offset}});
    }
    text_ += "}\n";
    return true;
  }

  std::string member_line(const Btf& types, const TypePart& part, std::string_view name,
                          std::uint64_t place) const {
    std::string line = "  ";
    if (request_.style.at) {
      line += fmt::format("[{:x}] ", place);
    } else if (request_.style.offsets) {
      line += request_.style.hex ? fmt::format("[{:#x}] ", place) : fmt::format("[{}] ", place);
    }
    line += declaration(types, part.type, name);
    if (part.bit_size != 0) line += fmt::format(" : {}", part.bit_size);
    return line + ";\n";
  }

  void add_object(const FoundType& type, VirtAddr at, std::uint64_t size) {
    if (request_.style.offsets) return add_addresses(type, at);
    boost::json::object json{{"address", hex(at)}};
    if (request_.count != 1) text_ += fmt::format("{:x}\n", raw(at));
    if (request_.members.empty()) {
      const ObjectBytes object(kernel_.memory(), at, size);
      const ValueNode node =
          decode_value(*type.types, type.id, kernel_.memory(), object, 0, style_);
      const std::string value = value_text(node, 0);
      const auto owner = type.types->type(type.id);
      text_ += (owner->has_members() ? type_name(*owner) + " " : "") + value + "\n";
      for (auto& [key, each] : value_json(node)) json[key] = each;
    } else {
      boost::json::array members;
      for (const std::string& member : request_.members) {
        const ValueNode node = member_value(type, at, member);
        text_ += value_text(node, 2) + "\n";
        members.push_back(value_json(node));
      }
      json["type"] = utf8(declaration(*type.types, type.id));
      json["value"] = std::move(members);
    }
    json_.push_back(std::move(json));
  }

  // Only the member's own bytes are read: one that can be had is shown whatever lies around it.
  ValueNode member_value(const FoundType& type, VirtAddr at, const std::string& member) const {
    const auto part = find_part(*type.types, type.id, member);
    const std::uint64_t bytes = part->bit_size != 0 ? (part->bit_offset + part->bit_size + 7) / 8
                                                    : type.types->size_of(part->type).value_or(0);
    ValueNode node;
    if (bytes > kMaxObject) {
      node.text = "<too large>";
    } else {
      const ObjectBytes object(kernel_.memory(), at + part->offset, bytes);
      const Member field{0, bytes, part->bit_offset, part->bit_size, part->type, {}};
      node =
          part->bit_size != 0
              ? decode_bit_field(*type.types, part->type, kernel_.memory(), object, field, style_)
              : decode_value(*type.types, part->type, kernel_.memory(), object, 0, style_);
    }
    node.name = member;
    node.offset += part->offset;
    return node;
  }

  void add_addresses(const FoundType& type, VirtAddr at) {
    LayoutStyle style = request_.style;
    style.at = at;
    if (request_.members.empty()) {
      text_ += layout_text(*type.types, type.id, style);
    } else {
      const auto owner = type.types->type(type.id);
      text_ += type_name(*owner) + " {\n";
      for (const std::string& member : request_.members) {
        const auto part = find_part(*type.types, type.id, member);
        text_ += fmt::format("  [{:x}] {};\n", raw(at + part->offset),
                             declaration(*type.types, part->type, member));
      }
      text_ += "}\n";
    }
    boost::json::object json = layout_json(*type.types, type.id);
    json["address"] = hex(at);
    json_.push_back(std::move(json));
  }

  const Kernel& kernel_;
  const StructRequest& request_;
  Pointee pointee_;
  ValueStyle style_;
  std::string text_;
  boost::json::array json_;
};

tl::unexpected<Error> no_types(const Kernel& kernel) {
  (void)kernel;
  return fail_hint(Blame::kInput, "`crashrig analyze` says why", "this core has no types (BTF)");
}

// Functions and per-CPU variables have types too.
std::optional<Answer> declared(const Kernel& kernel, const std::string& name) {
  std::optional<FoundType> found;
  if (const auto id = kernel.types()->find(TypeKind::kFunction, name)) {
    found = FoundType{&*kernel.types(), *id, nullptr};
  } else {
    found = find_variable(kernel, name);
  }
  if (!found) return std::nullopt;
  const std::string text = declaration(*found->types, found->id);
  return Answer{text + ";\n", boost::json::serialize(boost::json::object{{"type", utf8(text)}})};
}

// BTF has no types of variables but per-CPU ones: of others, and of addresses, what lies there.
Result<std::optional<Answer>> what_lies_at(Session& session, const Kernel& kernel,
                                           const std::string& name) {
  const auto number = parse_number(name);
  auto at = number ? std::optional(VirtAddr{*number}) : symbol_address(kernel, name);
  if (!at && name.find_first_of("+:") != name.npos) {
    if (const auto place = parse_place(kernel, name)) at = *place;
  }
  if (!at) return std::nullopt;
  RIG_ASSIGN(Answer answer, answer_address(session, *at));
  return answer;
}

}  // namespace

Result<Answer> answer_struct(Session& session, Arguments arguments) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  if (!kernel->types()) return no_types(*kernel);
  RIG_ASSIGN(const GivenOptions options, parse_options(kStruct, arguments));
  std::vector<FoundType> found;
  RIG_ASSIGN(const StructRequest request, understand(options, *kernel, found));
  if (found.empty()) {
    return fail_hint(Blame::kInput, "`sym -q TEXT` finds symbols; types are named without a star",
                     "struct: no type '{}' in the kernel or its modules{}", request.type_name,
                     near_types(*kernel, request.type_name));
  }
  StructAnswer answer(session, *kernel, request);
  bool any = false;
  for (const FoundType& each : found) {
    any |= answer.add(each);
    // Of several types of one name the first that has the members is meant when a value is asked.
    if (any && request.at) break;
  }
  if (!any) {
    return fail_hint(Blame::kInput, fmt::format("`struct -o {}` shows them", request.type_name),
                     "struct: '{}' has no member '{}'", request.type_name,
                     fmt::join(request.members, "' with '"));
  }
  return answer.finish();
}

Result<Answer> answer_whatis(Session& session, Arguments arguments) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  if (!kernel->types()) return no_types(*kernel);
  RIG_ASSIGN(const GivenOptions options, parse_options(kWhatis, arguments));
  if (options.words.empty()) return misused(kWhatis, "wants the name of a type or a function");
  const std::string name = fmt::format("{}", fmt::join(options.words, " "));
  if (options.has('p')) {
    const auto number = parse_number(name);
    if (!number) return misused(kWhatis, "-p wants a physical address");
    return answer_physical(session, PhysAddr{*number});
  }
  if (find_types(*kernel, name.substr(0, name.find('.'))).empty()) {
    if (auto answer = declared(*kernel, name)) return *std::move(answer);
    RIG_ASSIGN(auto answer, what_lies_at(session, *kernel, name));
    if (answer) return *std::move(answer);
    return fail_hint(Blame::kInput, "`sym -q TEXT` finds symbols; types are named without a star",
                     "whatis: no type, function or symbol '{}'{}", name, near_types(*kernel, name));
  }
  return answer_struct(session, arguments);
}

}  // namespace rig::analyzer
