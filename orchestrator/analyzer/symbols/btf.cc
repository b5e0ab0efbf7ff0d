// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/btf.h"

#include "analyzer/symbols/btf_blob.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxBlob = 256 << 20;
// How deep anonymous structs nest and typedefs chain before we say no: BTF may be a cycle.
constexpr unsigned kMaxTypedefs = 32;
constexpr unsigned kMaxNesting = 8;
// How many fields one look-up visits: real structs have hundreds, hostile ones contain themselves.
constexpr unsigned kMaxFields = 20'000;
constexpr std::uint64_t kPointerSize = 8;

bool is_transparent(TypeKind kind) {
  return kind == TypeKind::kTypedef || kind == TypeKind::kVolatile || kind == TypeKind::kConst ||
         kind == TypeKind::kRestrict || kind == TypeKind::kTypeTag;
}

}  // namespace

std::size_t Btf::type_count() const {
  return data_->starts.size();
}

std::uint32_t Btf::first_id() const {
  return data_->first_id;
}

std::string_view Btf::string_at(std::uint32_t offset) const {
  return data_->string_at(offset);
}

std::optional<TypeInfo> Btf::type(std::uint32_t id) const {
  return data_->type(id);
}

template <typename Visit>
void Btf::any_named(std::string_view name, Visit visit) const {
  for (const Data* data = data_.get(); data; data = data->base.get()) {
    const bool done = data->name_index().any(name, [&](std::uint32_t id) {
      const auto found = data->type(id);
      return found && found->name == name && visit(*found);
    });
    if (done) return;
  }
}

std::vector<std::uint32_t> Btf::named(std::string_view name) const {
  std::vector<std::uint32_t> ids;
  data_->name_index().any(name, [&](std::uint32_t id) {
    const auto found = type(id);
    if (found && found->name == name) ids.push_back(id);
    return false;
  });
  return ids;
}

std::optional<std::uint32_t> Btf::find(TypeKind kind, std::string_view name) const {
  for (std::size_t i = 0; i < type_count(); ++i) {
    const auto id = first_id() + static_cast<std::uint32_t>(i);
    const auto each = type(id);
    if (each && each->kind == kind && each->name == name) return id;
  }
  return std::nullopt;
}

std::optional<TypeInfo> Btf::resolved(std::uint32_t id) const {
  for (unsigned depth = 0; depth < kMaxTypedefs; ++depth) {
    const auto found = type(id);
    if (!found || !is_transparent(found->kind)) return found;
    id = found->word;
  }
  return std::nullopt;
}

std::optional<TypeField> Btf::field(const TypeInfo& owner, std::uint32_t index) const {
  if (!owner.has_members()) return std::nullopt;
  const auto words = load<std::array<std::uint32_t, 3>>(owner.tail, std::uint64_t{index} * 12);
  if (!words) return std::nullopt;
  const auto [name, type, offset] = *words;
  // With kind_flag the upper 8 bits of the offset are the size of a bit field.
  if (owner.flag) return TypeField{string_at(name), type, offset & 0xff'ffff, offset >> 24};
  return TypeField{string_at(name), type, offset, 0};
}

std::optional<TypeEnumerator> Btf::enumerator(const TypeInfo& owner, std::uint32_t index) const {
  if (!owner.is_enum()) return std::nullopt;
  const bool wide = owner.kind == TypeKind::kEnum64;
  const std::uint64_t at = std::uint64_t{index} * (wide ? 12 : 8);
  const auto name = load<std::uint32_t>(owner.tail, at);
  const auto low = load<std::uint32_t>(owner.tail, at + 4);
  if (!name || !low) return std::nullopt;
  if (!wide) return TypeEnumerator{string_at(*name), static_cast<std::int32_t>(*low)};
  const auto high = load<std::uint32_t>(owner.tail, at + 8);
  if (!high) return std::nullopt;
  return TypeEnumerator{string_at(*name),
                        static_cast<std::int64_t>(std::uint64_t{*high} << 32 | *low)};
}

std::optional<TypeArray> Btf::array(const TypeInfo& owner) const {
  // struct btf_array: type, index_type, nelems.
  const auto words = load<std::array<std::uint32_t, 3>>(owner.tail);
  if (owner.kind != TypeKind::kArray || !words) return std::nullopt;
  return TypeArray{(*words)[0], (*words)[2]};
}

std::optional<TypeInteger> Btf::integer(const TypeInfo& owner) const {
  const auto word = load<std::uint32_t>(owner.tail);
  if (owner.kind != TypeKind::kInt || !word) return std::nullopt;
  const auto encoding = *word >> 24 & 0xf;
  return TypeInteger{*word & 0xff, (encoding & 1) != 0, (encoding & 2) != 0, (encoding & 4) != 0};
}

std::optional<TypeParameter> Btf::parameter(const TypeInfo& owner, std::uint32_t index) const {
  const auto words = load<std::array<std::uint32_t, 2>>(owner.tail, std::uint64_t{index} * 8);
  if (owner.kind != TypeKind::kPrototype || !words) return std::nullopt;
  return TypeParameter{string_at((*words)[0]), (*words)[1]};
}

std::optional<TypeVariable> Btf::variable(const TypeInfo& section, std::uint32_t index) const {
  // struct btf_var_secinfo: type, offset, size.
  const auto words = load<std::array<std::uint32_t, 3>>(section.tail, std::uint64_t{index} * 12);
  if (section.kind != TypeKind::kSection || !words) return std::nullopt;
  const auto found = type((*words)[0]);
  if (!found || found->kind != TypeKind::kVariable) return std::nullopt;
  return TypeVariable{found->name, found->word, (*words)[1], (*words)[2]};
}

std::optional<std::uint64_t> Btf::size_of(std::uint32_t id) const {
  std::uint64_t factor = 1;
  for (unsigned depth = 0; depth < kMaxTypedefs; ++depth) {
    const auto found = resolved(id);
    if (!found) return std::nullopt;
    switch (found->kind) {
      case TypeKind::kPointer:
        return factor * kPointerSize;
      case TypeKind::kInt:
      case TypeKind::kStruct:
      case TypeKind::kUnion:
      case TypeKind::kEnum:
      case TypeKind::kEnum64:
      case TypeKind::kFloat:
        return factor * found->word;
      case TypeKind::kArray: {
        const auto array = this->array(*found);
        if (!array || __builtin_mul_overflow(factor, array->count, &factor)) return std::nullopt;
        id = array->element;
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
  any_named(name, [&](const TypeInfo& found) {
    size = size_of(found.id);
    return size.has_value();
  });
  return size;
}

// The member of that name, also inside anonymous structs and unions; bits from the start of owner.
std::optional<TypeField> Btf::find_field(const TypeInfo& owner, std::string_view name,
                                         unsigned depth, unsigned& budget) const {
  if (depth == 0 || name.empty()) return std::nullopt;
  for (std::uint32_t i = 0; i < owner.count; ++i) {
    if (budget == 0) return std::nullopt;
    --budget;
    const auto each = field(owner, i);
    if (!each) return std::nullopt;
    if (each->name == name) return each;
    if (!each->name.empty()) continue;
    const auto inner = resolved(each->type);
    if (!inner || !inner->has_members()) continue;
    if (auto found = find_field(*inner, name, depth - 1, budget)) {
      found->bits += each->bits;
      return found;
    }
  }
  return std::nullopt;
}

std::optional<Member> Btf::member_of(const TypeInfo& owner, std::string_view path) const {
  TypeInfo current = owner;
  std::uint64_t bits = 0;
  unsigned budget = kMaxFields;
  for (unsigned depth = 0; depth < kMaxTypedefs; ++depth) {
    const auto dot = path.find('.');
    const auto found = find_field(current, path.substr(0, dot), kMaxNesting, budget);
    if (!found) return std::nullopt;
    bits += found->bits;
    const auto inner = resolved(found->type);
    if (!inner) return std::nullopt;
    if (dot != std::string_view::npos) {
      if (!inner->has_members()) return std::nullopt;
      current = *inner;
      path.remove_prefix(dot + 1);
      continue;
    }
    Member member{bits / 8, 0, static_cast<unsigned>(bits % 8), found->bit_size, found->type, {}};
    member.size = found->bit_size != 0 ? (member.bit_offset + found->bit_size + 7) / 8
                                       : size_of(found->type).value_or(0);
    if (const auto array = this->array(*inner)) member.elements = array->count;
    return member;
  }
  return std::nullopt;
}

std::optional<Member> Btf::member(std::string_view path) const {
  const auto dot = path.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  std::optional<Member> result;
  any_named(path.substr(0, dot), [&](const TypeInfo& found) {
    result = member(found.id, path.substr(dot + 1));
    return result.has_value();
  });
  return result;
}

std::optional<Member> Btf::member(std::uint32_t owner, std::string_view path) const {
  const auto found = resolved(owner);
  if (!found || !found->has_members()) return std::nullopt;
  return member_of(*found, path);
}

std::optional<std::int64_t> Btf::enumerator(std::string_view type_name,
                                            std::string_view name) const {
  std::optional<std::int64_t> value;
  any_named(type_name, [&](const TypeInfo& found) {
    if (!found.is_enum()) return false;
    for (std::uint32_t i = 0; i < found.count && !value; ++i) {
      const auto each = enumerator(found, i);
      if (each && each->name == name) value = each->value;
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
