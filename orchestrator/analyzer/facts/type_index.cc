// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/type_index.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace rig::analyzer {
namespace {

constexpr unsigned kMaxPrototypes = 6;   // prototypes in prototypes, pointers to pointers
constexpr unsigned kMaxParameters = 24;  // the kernel's longest has some fifteen
constexpr std::size_t kMaxSameName = 16;
// What the rarest prototype tells: beyond, it is the types that are few, not the evidence strong.
constexpr double kMostBits = 12;
constexpr double kLeastBits = 1;

std::uint32_t hash_of(std::string_view name) {
  return static_cast<std::uint32_t>(std::hash<std::string_view>{}(name));
}

// What a prototype takes and returns, as one number: BTF has the same prototype once for each way
// to name its parameters, but each of their types once.
std::uint64_t key_of(const Btf& types, std::uint32_t prototype) {
  const auto type = types.type(prototype);
  if (!type || type->kind != TypeKind::kPrototype) return 0;
  std::uint64_t key = type->word + 1;
  for (std::uint32_t i = 0; i < std::min(type->count, kMaxParameters); ++i) {
    const auto each = types.parameter(*type, i);
    key = (key ^ (each ? each->type : 0)) * 0x9e3779b97f4a7c15;
    key ^= key >> 29;
  }
  return key;
}

bool same_type(const Btf& a_types, std::uint32_t a_id, const Btf& b_types, std::uint32_t b_id,
               unsigned depth);

bool same_parameters(const Btf& a_types, const TypeInfo& a, const Btf& b_types, const TypeInfo& b,
                     unsigned depth) {
  if (a.count != b.count || a.count > kMaxParameters) return false;
  for (std::uint32_t i = 0; i < a.count; ++i) {
    const auto left = a_types.parameter(a, i), right = b_types.parameter(b, i);
    if (!left || !right || !same_type(a_types, left->type, b_types, right->type, depth)) {
      return false;
    }
  }
  return same_type(a_types, a.word, b_types, b.word, depth);
}

bool is_struct(TypeKind kind) {
  return kind == TypeKind::kStruct || kind == TypeKind::kUnion || kind == TypeKind::kForward;
}

bool same_type(const Btf& a_types, std::uint32_t a_id, const Btf& b_types, std::uint32_t b_id,
               unsigned depth) {
  // Modules' ids continue the kernel's, which mean the same to all of them.
  const bool shared =
      &a_types == &b_types || a_id < std::max(a_types.first_id(), b_types.first_id());
  if (a_id == b_id && shared) return true;
  if (depth == 0) return false;
  const auto a = a_types.resolved(a_id), b = b_types.resolved(b_id);
  if (!a || !b) return false;
  if (is_struct(a->kind) && is_struct(b->kind)) return !a->name.empty() && a->name == b->name;
  if (a->kind != b->kind) return false;
  switch (a->kind) {
    case TypeKind::kVoid:
      return true;
    case TypeKind::kInt:
    case TypeKind::kFloat:
      return a->word == b->word;
    case TypeKind::kEnum:
    case TypeKind::kEnum64:
      return a->name == b->name && a->word == b->word;
    case TypeKind::kPointer:
      return same_type(a_types, a->word, b_types, b->word, depth - 1);
    case TypeKind::kPrototype:
      return same_parameters(a_types, *a, b_types, *b, depth - 1);
    default:
      return false;
  }
}

}  // namespace

bool same_prototype(const Btf& a_types, std::uint32_t a, const Btf& b_types, std::uint32_t b) {
  return same_type(a_types, a, b_types, b, kMaxPrototypes);
}

TypeIndex::TypeIndex(const Kernel& kernel) {
  if (!kernel.types()) return;
  common_.reserve(1 << 15);
  add({&*kernel.types(), nullptr});
  if (kernel.modules()) {
    for (const Module& module : kernel.modules()->all()) {
      if (const Btf* types = kernel.types_of(module)) add({types, &module});
    }
  }
  std::ranges::stable_sort(structs_, {}, &StructRef::size);
  std::ranges::stable_sort(functions_, {}, &Function::hash);
}

bool TypeIndex::is_open_ended(const Btf& types, const TypeInfo& type) {
  if (type.count == 0) return false;
  const auto last = types.field(type, type.count - 1);
  const auto resolved = last ? types.resolved(last->type) : std::nullopt;
  const auto array = resolved ? types.array(*resolved) : std::nullopt;
  return array && array->count == 0;
}

void TypeIndex::add(const Source& source) {
  const auto number = static_cast<std::uint16_t>(sources_.size());
  sources_.push_back(source);
  const Btf& types = *source.types;
  for (std::size_t i = 0; i < types.type_count(); ++i) {
    const auto type = types.type(types.first_id() + static_cast<std::uint32_t>(i));
    if (!type || type->name.empty()) continue;
    if (type->kind == TypeKind::kStruct && type->word != 0) {
      structs_.push_back(
          {&types, source.module, type->id, type->word, is_open_ended(types, *type)});
    } else if (type->kind == TypeKind::kFunction) {
      functions_.push_back({hash_of(type->name), type->id, number});
      ++common_[key_of(types, type->word)];
    }
  }
}

std::vector<StructRef> TypeIndex::structs(std::uint64_t least, std::uint64_t most,
                                          std::uint64_t least_of_modules) const {
  std::vector<StructRef> found;
  for (const StructRef& each : structs_) {
    if (each.size > most) break;
    if (each.size >= least || each.open_ended || (each.module && each.size >= least_of_modules)) {
      found.push_back(each);
    }
  }
  return found;
}

// A name may stand for several static functions, each with its own prototype.
std::optional<double> TypeIndex::prototype_bits(std::string_view function, const Module* module,
                                                const Btf& types, std::uint32_t id) const {
  const auto hash = hash_of(function);
  auto each = std::ranges::lower_bound(functions_, hash, {}, &Function::hash);
  bool known = false;
  for (std::size_t seen = 0; each != functions_.end() && each->hash == hash; ++each) {
    const Source& source = sources_[each->source];
    if (++seen > kMaxSameName) break;
    const auto type = source.types->type(each->id);
    if (source.module != module || !type || type->name != function) continue;
    known = true;
    if (!same_prototype(*source.types, type->word, types, id)) continue;
    const auto same = common_.find(key_of(*source.types, type->word));
    const double common = same == common_.end() ? 1 : same->second;
    const double all = static_cast<double>(functions_.size());
    return std::clamp(std::log2(all / common), kLeastBits, kMostBits);
  }
  return known ? std::optional(0.0) : std::nullopt;
}

}  // namespace rig::analyzer
