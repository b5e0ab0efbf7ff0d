// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/btf.h"

#include <array>

namespace rig::analyzer {
namespace {

constexpr std::uint16_t kMagic = 0xeb9f;
constexpr std::uint64_t kMaxBlob = 256 << 20;
constexpr std::uint64_t kTypeSize = 12;
// How deep anonymous structs nest and typedefs chain before we say no: BTF may be a cycle.
constexpr unsigned kMaxDepth = 32;
constexpr unsigned kMaxNesting = 8;
// How many fields one look-up visits: real structs have hundreds, hostile ones contain themselves.
constexpr unsigned kMaxFields = 20'000;
constexpr std::uint64_t kPointerSize = 8;

enum Kind : std::uint32_t {
  kInt = 1,
  kPtr = 2,
  kArray = 3,
  kStruct = 4,
  kUnion = 5,
  kEnum = 6,
  kFwd = 7,
  kTypedef = 8,
  kVolatile = 9,
  kConst = 10,
  kRestrict = 11,
  kFunc = 12,
  kFuncProto = 13,
  kVar = 14,
  kDatasec = 15,
  kFloat = 16,
  kDeclTag = 17,
  kTypeTag = 18,
  kEnum64 = 19,
};

// Bytes that follow a type's fixed part; nothing for a kind we have never heard of.
std::optional<std::uint64_t> tail_size(std::uint32_t kind, std::uint64_t count) {
  switch (kind) {
    case kInt:
    case kVar:
    case kDeclTag:
      return 4;
    case kArray:
      return 12;
    case kStruct:
    case kUnion:
    case kDatasec:
    case kEnum64:
      return count * 12;
    case kEnum:
    case kFuncProto:
      return count * 8;
    case kPtr:
    case kFwd:
    case kTypedef:
    case kVolatile:
    case kConst:
    case kRestrict:
    case kFunc:
    case kFloat:
    case kTypeTag:
      return 0;
    default:
      return std::nullopt;
  }
}

bool has_members(std::uint32_t kind) {
  return kind == kStruct || kind == kUnion;
}

// The kinds that are asked for by name; functions are the bulk of a kernel's BTF, and are not.
bool is_asked_for(std::uint32_t kind) {
  return has_members(kind) || kind == kInt || kind == kEnum || kind == kEnum64 || kind == kTypedef;
}

bool is_transparent(std::uint32_t kind) {
  return kind == kTypedef || kind == kVolatile || kind == kConst || kind == kRestrict ||
         kind == kTypeTag;
}

}  // namespace

Result<Btf> Btf::parse(std::vector<std::byte> bytes) {
  Btf btf;
  btf.bytes_ = std::move(bytes);
  const ByteView all = btf.bytes_;
  // struct btf_header: magic, version, flags, hdr_len, type_off, type_len, str_off, str_len.
  if (load<std::uint16_t>(all) != kMagic) return fail(Blame::kInput, "BTF: wrong magic");
  if (load<std::uint8_t>(all, 2) != 1) return fail(Blame::kInput, "BTF: version is not 1");
  const auto header = load<std::uint32_t>(all, 4);
  const auto words = load<std::array<std::uint32_t, 4>>(all, 8);
  if (!header || !words) return fail(Blame::kInput, "BTF: header cut short");
  const auto [type_offset, type_size, string_offset, string_size] = *words;
  const auto types = slice(all, std::uint64_t{*header} + type_offset, type_size);
  const auto strings = slice(all, std::uint64_t{*header} + string_offset, string_size);
  if (!types || !strings) return fail(Blame::kInput, "BTF: sections lie outside of it");
  btf.types_ = *types;
  btf.strings_ = *strings;
  RIG_TRY(btf.index_types());
  return btf;
}

Status Btf::index_types() {
  std::vector<std::uint32_t> named;
  starts_.reserve(types_.size() / 20);
  for (std::uint64_t at = 0; at < types_.size();) {
    const auto info = load<std::uint32_t>(types_, at + 4);
    const auto kind = info.value_or(0) >> 24 & 0x1f;
    const auto tail = tail_size(kind, info.value_or(0) & 0xffff);
    if (!info || !tail || !slice(types_, at, kTypeSize + *tail)) {
      return fail(Blame::kInput, "BTF: type {} (kind {}) is broken or unknown", starts_.size() + 1,
                  kind);
    }
    starts_.push_back(static_cast<std::uint32_t>(at));
    if (is_asked_for(kind) && load<std::uint32_t>(types_, at).value_or(0) != 0) {
      named.push_back(static_cast<std::uint32_t>(starts_.size()));
    }
    at += kTypeSize + *tail;
  }
  names_ = NameIndex(named.size());
  for (const std::uint32_t id : named) {
    if (const auto each = type(id)) names_.insert(each->name, id);
  }
  return {};
}

std::string_view Btf::string_at(std::uint32_t offset) const {
  return load_c_string(strings_, offset).value_or("");
}

std::optional<Btf::Type> Btf::type(std::uint32_t id) const {
  if (id == 0 || id > starts_.size()) return std::nullopt;
  const std::uint64_t start = starts_[id - 1];
  const auto words = load<std::array<std::uint32_t, 3>>(types_, start);
  if (!words) return std::nullopt;
  const auto [name, info, word] = *words;
  return Type{string_at(name), info >> 24 & 0x1f, info & 0xffff, info >> 31 != 0, word, start};
}

// The type behind typedefs and qualifiers.
std::optional<Btf::Type> Btf::resolved(std::uint32_t id, std::uint32_t* final_id) const {
  for (unsigned depth = 0; depth < kMaxDepth; ++depth) {
    const auto found = type(id);
    if (!found) return std::nullopt;
    if (!is_transparent(found->kind)) {
      if (final_id) *final_id = id;
      return found;
    }
    id = found->word;
  }
  return std::nullopt;
}

std::optional<Btf::Field> Btf::field(const Type& owner, std::uint32_t index) const {
  const auto words = load<std::array<std::uint32_t, 3>>(
      types_, owner.start + kTypeSize + std::uint64_t{index} * kTypeSize);
  if (!words) return std::nullopt;
  const auto [name, type, offset] = *words;
  // With kind_flag the upper 8 bits of the offset are the size of a bit field.
  if (owner.flag) return Field{string_at(name), type, offset & 0xff'ffff, offset >> 24};
  return Field{string_at(name), type, offset, 0};
}

std::optional<std::uint64_t> Btf::size_of(std::uint32_t id) const {
  std::uint64_t factor = 1;
  for (unsigned depth = 0; depth < kMaxDepth; ++depth) {
    const auto found = resolved(id);
    if (!found) return std::nullopt;
    switch (found->kind) {
      case kPtr:
        return factor * kPointerSize;
      case kInt:
      case kStruct:
      case kUnion:
      case kEnum:
      case kEnum64:
      case kFloat:
        return factor * found->word;
      case kArray: {
        // struct btf_array: type, index_type, nelems.
        const auto array = load<std::array<std::uint32_t, 3>>(types_, found->start + kTypeSize);
        if (!array || __builtin_mul_overflow(factor, (*array)[2], &factor)) return std::nullopt;
        id = (*array)[0];
        break;
      }
      default:
        return std::nullopt;
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> Btf::size_of(std::string_view name) const {
  std::optional<std::uint64_t> size;
  names_.any(name, [&](std::uint32_t id) {
    const auto found = type(id);
    if (!found || found->name != name) return false;
    size = size_of(id);
    return size.has_value();
  });
  return size;
}

// The member of that name, also inside anonymous structs and unions; bits from the start of owner.
std::optional<Btf::Field> Btf::find_field(const Type& owner, std::string_view name, unsigned depth,
                                          unsigned& budget) const {
  if (depth == 0 || name.empty()) return std::nullopt;
  for (std::uint32_t i = 0; i < owner.count; ++i) {
    if (budget == 0) return std::nullopt;
    --budget;
    const auto each = field(owner, i);
    if (!each) return std::nullopt;
    if (each->name == name) return each;
    if (!each->name.empty()) continue;
    const auto inner = resolved(each->type);
    if (!inner || !has_members(inner->kind)) continue;
    if (auto found = find_field(*inner, name, depth - 1, budget)) {
      found->bits += each->bits;
      return found;
    }
  }
  return std::nullopt;
}

std::optional<Member> Btf::member_of(const Type& owner, std::string_view path) const {
  Type current = owner;
  std::uint64_t bits = 0;
  unsigned budget = kMaxFields;
  for (unsigned depth = 0; depth < kMaxDepth; ++depth) {
    const auto dot = path.find('.');
    const auto found = find_field(current, path.substr(0, dot), kMaxNesting, budget);
    if (!found) return std::nullopt;
    bits += found->bits;
    std::uint32_t type_id = found->type;
    const auto inner = resolved(found->type, &type_id);
    if (!inner) return std::nullopt;
    if (dot != std::string_view::npos) {
      if (!has_members(inner->kind)) return std::nullopt;
      current = *inner;
      path.remove_prefix(dot + 1);
      continue;
    }
    Member member{bits / 8, 0, static_cast<unsigned>(bits % 8), found->bit_size, type_id, {}};
    member.size = found->bit_size != 0 ? (member.bit_offset + found->bit_size + 7) / 8
                                       : size_of(found->type).value_or(0);
    if (inner->kind == kArray) {
      member.elements = load<std::uint32_t>(types_, inner->start + kTypeSize + 8);
    }
    return member;
  }
  return std::nullopt;
}

std::optional<Member> Btf::member(std::string_view path) const {
  const auto dot = path.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view name = path.substr(0, dot);
  std::optional<Member> result;
  names_.any(name, [&](std::uint32_t id) {
    const auto found = type(id);
    if (!found || found->name != name) return false;
    const auto owner = resolved(id);
    if (!owner || !has_members(owner->kind)) return false;
    result = member_of(*owner, path.substr(dot + 1));
    return result.has_value();
  });
  return result;
}

std::optional<std::int64_t> Btf::enumerator(std::string_view type_name,
                                            std::string_view name) const {
  std::optional<std::int64_t> value;
  names_.any(type_name, [&](std::uint32_t id) {
    const auto found = type(id);
    if (!found || found->name != type_name) return false;
    const bool wide = found->kind == kEnum64;
    if (found->kind != kEnum && !wide) return false;
    for (std::uint32_t i = 0; i < found->count && !value; ++i) {
      const auto at = found->start + kTypeSize + std::uint64_t{i} * (wide ? 12 : 8);
      const auto low = load<std::uint32_t>(types_, at + 4).value_or(0);
      if (string_at(load<std::uint32_t>(types_, at).value_or(0)) != name) continue;
      const auto high = wide ? load<std::uint32_t>(types_, at + 8).value_or(0) : 0;
      value = wide ? static_cast<std::int64_t>(std::uint64_t{high} << 32 | low)
                   : static_cast<std::int32_t>(low);
    }
    return value.has_value();
  });
  return value;
}

Result<Btf> read_kernel_btf(const VirtMemory& memory, VirtAddr begin, VirtAddr end) {
  if (end <= begin || end - begin > kMaxBlob) {
    return fail(Blame::kInput, "BTF: from {} to {} cannot be right", begin, end);
  }
  std::vector<std::byte> bytes(end - begin);
  if (const auto got = memory.read(begin, bytes); !got) {
    return fail(Blame::kInput, "BTF: {} at {:#x}", to_string(got.error().why), got.error().address);
  }
  return Btf::parse(std::move(bytes));
}

std::optional<std::uint64_t> extract(const Member& member, ByteView object) {
  const std::uint64_t size = member.size;
  if (size == 0 || size > sizeof(std::uint64_t)) return std::nullopt;
  const auto bytes = slice(object, member.offset, size);
  if (!bytes) return std::nullopt;
  std::uint64_t value = 0;
  std::memcpy(&value, bytes->data(), size);
  if (member.bit_size == 0) return value;
  value >>= member.bit_offset;
  return member.bit_size >= 64 ? value : value & ((1ull << member.bit_size) - 1);
}

}  // namespace rig::analyzer
