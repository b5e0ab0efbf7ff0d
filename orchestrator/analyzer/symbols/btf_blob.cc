// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/btf_blob.h"

#include <algorithm>

namespace rig::analyzer {
namespace {

constexpr std::uint16_t kMagic = 0xeb9f;
// Longer than any symbol may be (KSYM_NAME_LEN is 512): what is longer is no name.
constexpr std::uint64_t kMaxTypeName = 1024;

// Bytes that follow a type's fixed part: some always, some for each of its `vlen` parts.
struct Tail {
  std::uint8_t fixed, each;
  bool known;
};
constexpr Tail kTails[32] = {
    {0, 0, false},  // 0: void is never written
    {4, 0, true},   // int
    {0, 0, true},   // pointer
    {12, 0, true},  // array
    {0, 12, true},  // struct
    {0, 12, true},  // union
    {0, 8, true},   // enum
    {0, 0, true},   // forward
    {0, 0, true},   // typedef
    {0, 0, true},   // volatile
    {0, 0, true},   // const
    {0, 0, true},   // restrict
    {0, 0, true},   // function
    {0, 8, true},   // prototype
    {4, 0, true},   // variable
    {0, 12, true},  // section
    {0, 0, true},   // float
    {4, 0, true},   // declaration tag
    {0, 0, true},   // type tag
    {0, 12, true},  // enum64
};

constexpr std::uint32_t bit(TypeKind kind) {
  return 1u << static_cast<unsigned>(kind);
}
// The kinds that are asked for by name; functions are the bulk of a kernel's BTF, and are not.
constexpr std::uint32_t kAskedFor = bit(TypeKind::kStruct) | bit(TypeKind::kUnion) |
                                    bit(TypeKind::kInt) | bit(TypeKind::kEnum) |
                                    bit(TypeKind::kEnum64) | bit(TypeKind::kTypedef);

struct Fixed {
  std::uint32_t name, info, word;
  unsigned kind() const { return info >> 24 & 0x1f; }
  std::uint32_t count() const { return info & 0xffff; }
};

std::uint64_t tail_size(const Fixed& fixed) {
  const Tail& tail = kTails[fixed.kind()];
  return tail.fixed + std::uint64_t{fixed.count()} * tail.each;
}

}  // namespace

Result<Btf> Btf::parse(std::vector<std::byte> bytes, std::shared_ptr<const Data> base) {
  auto data = std::make_shared<Data>();
  data->bytes = std::move(bytes);
  data->base = std::move(base);
  if (data->base) {
    data->first_id = data->base->first_id + static_cast<std::uint32_t>(data->base->starts.size());
    data->first_string =
        data->base->first_string + static_cast<std::uint32_t>(data->base->strings.size());
  }
  const ByteView all = data->bytes;
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
  data->types = *types;
  data->strings = *strings;
  RIG_TRY(data->index_types());
  return Btf(std::move(data));
}

Result<Btf> Btf::parse(std::vector<std::byte> bytes) {
  return parse(std::move(bytes), nullptr);
}

Result<Btf> Btf::parse_split(std::vector<std::byte> bytes, const Btf& base) {
  return parse(std::move(bytes), base.data_);
}

Status Btf::Data::index_types() {
  starts.reserve(types.size() / 24);
  for (std::uint64_t at = 0; at < types.size();) {
    const auto fixed = load<Fixed>(types, at);
    const bool known = fixed && kTails[fixed->kind()].known;
    const std::uint64_t size = known ? kBtfTypeSize + tail_size(*fixed) : 0;
    if (!known || size > types.size() - at) {
      return fail(Blame::kInput, "BTF: type {} (kind {}) is broken or unknown",
                  first_id + starts.size(), fixed ? fixed->kind() : 0);
    }
    starts.push_back(static_cast<std::uint32_t>(at));
    at += size;
  }
  return {};
}

const NameIndex& Btf::Data::name_index() const {
  if (names) return *names;
  const auto is_asked_for = [&](const std::optional<Fixed>& fixed) {
    return fixed && (kAskedFor >> fixed->kind() & 1) != 0 && fixed->name != 0;
  };
  const auto count = std::ranges::count_if(
      starts, [&](std::uint32_t start) { return is_asked_for(load<Fixed>(types, start)); });
  names.emplace(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const auto fixed = load<Fixed>(types, starts[i]);
    if (!is_asked_for(fixed)) continue;
    names->insert(string_at(fixed->name), first_id + static_cast<std::uint32_t>(i));
  }
  return *names;
}

std::string_view Btf::Data::string_at(std::uint32_t offset) const {
  if (offset < first_string) return base->string_at(offset);
  const std::uint64_t own = offset - first_string;
  if (own >= strings.size()) return {};
  const auto window = strings.subspan(own, std::min(kMaxTypeName, strings.size() - own));
  return load_c_string(window, 0).value_or("");
}

std::optional<TypeInfo> Btf::Data::type(std::uint32_t id) const {
  if (id == 0) return TypeInfo{};
  if (id < first_id) return base->type(id);
  if (id - first_id >= starts.size()) return std::nullopt;
  const std::uint64_t start = starts[id - first_id];
  const auto fixed = load<Fixed>(types, start);
  if (!fixed) return std::nullopt;
  const auto tail = slice(types, start + kBtfTypeSize, tail_size(*fixed));
  if (!tail) return std::nullopt;
  return TypeInfo{id,
                  static_cast<TypeKind>(fixed->kind()),
                  fixed->info >> 31 != 0,
                  fixed->count(),
                  fixed->word,
                  string_at(fixed->name),
                  *tail};
}

}  // namespace rig::analyzer
