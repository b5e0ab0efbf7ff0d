// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/type_scorer.h"

#include <algorithm>
#include <utility>

#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {

constexpr unsigned kMaxMembers = 20'000;  // of one candidate: real ones have hundreds
constexpr std::uint64_t kMaxScored = 64;
constexpr std::uint32_t kMaxEnumerators = 512;
// Structs for calling somebody back: a function in them does not tell whose they are.
constexpr std::string_view kEverywhere[] = {"work_struct",    "timer_list",       "callback_head",
                                            "hrtimer",        "tasklet_struct",   "irq_work",
                                            "notifier_block", "wait_queue_entry", "shrinker"};
// A counter of references beyond this is no counter.
constexpr std::uint32_t kMostReferences = 1 << 20;
// locked, pending, and the tail: CPU + 1 (include/asm-generic/qspinlock_types.h).
constexpr std::uint32_t kLargestLock = 0x0100'0000;

}  // namespace

TypeScore& TypeScore::operator+=(const TypeScore& other) {
  weak += other.weak;
  common += other.common;
  specific += other.specific;
  against += other.against;
  return *this;
}

TypeScore TypeScorer::score(const StructRef& candidate, std::vector<TypeEvidence>* evidence) {
  candidate_ = &candidate;
  evidence_ = evidence;
  budget_ = kMaxMembers;
  in_delayed_work_ = in_common_ = false;
  path_.clear();
  const auto type = candidate.types->type(candidate.id);
  return type ? members(*type, 0, kMaxStructDepth) : TypeScore{};
}

TypeScore TypeScorer::members(const TypeInfo& owner, std::uint64_t base, unsigned depth) {
  if (owner.kind == TypeKind::kUnion) return any_of(owner, base, depth);
  TypeScore score;
  for (std::uint32_t i = 0; i < owner.count && budget_ != 0; ++i, --budget_) {
    const auto field = candidate_->types->field(owner, i);
    if (!field) break;
    const std::uint64_t at = base + field->bits / 8;
    if (at >= words_.size()) continue;
    if (field->bit_size == 0) score += named(field->name, field->type, at, depth);
  }
  return score;
}

// Of a union one member holds: the one that goes best with what is there.
TypeScore TypeScorer::any_of(const TypeInfo& owner, std::uint64_t base, unsigned depth) {
  auto* const evidence = std::exchange(evidence_, nullptr);
  std::optional<TypeField> best;
  TypeScore highest;
  for (std::uint32_t i = 0; i < owner.count && budget_ != 0; ++i, --budget_) {
    const auto field = candidate_->types->field(owner, i);
    if (!field || field->bit_size != 0) continue;
    const TypeScore score = named({}, field->type, base, depth);
    if (best && score.sum() <= highest.sum()) continue;
    best = field;
    highest = score;
  }
  evidence_ = evidence;
  if (evidence_ && best) named(best->name, best->type, base, depth);
  return highest;
}

TypeScore TypeScorer::named(std::string_view name, std::uint32_t type, std::uint64_t at,
                            unsigned depth) {
  if (!evidence_ || name.empty()) return value(type, at, depth);
  const std::size_t length = path_.size();
  path_ += fmt::format("{}{}", length == 0 ? "" : ".", name);
  const TypeScore score = value(type, at, depth);
  path_.resize(length);
  return score;
}

TypeScore TypeScorer::value(std::uint32_t id, std::uint64_t at, unsigned depth) {
  const auto type = candidate_->types->resolved(id);
  if (!type || depth == 0) return {};
  switch (type->kind) {
    case TypeKind::kStruct:
    case TypeKind::kUnion:
      return structure(*type, at, depth - 1);
    case TypeKind::kArray:
      return array(*type, at, depth - 1);
    case TypeKind::kPointer:
      return pointer(*type, at);
    case TypeKind::kInt:
      return number(*type, at, type->word);
    case TypeKind::kEnum:
      return enumeration(*type, at);
    default:
      return {};
  }
}

// Of arrays of numbers nothing is known: they are buffers more often than not.
TypeScore TypeScorer::array(const TypeInfo& type, std::uint64_t at, unsigned depth) {
  const auto array = candidate_->types->array(type);
  const auto element = array ? candidate_->types->resolved(array->element) : std::nullopt;
  const auto size = array ? candidate_->types->size_of(array->element) : std::nullopt;
  if (!element || !size || *size == 0) return {};
  if (element->kind != TypeKind::kPointer && !element->has_members()) return {};
  TypeScore score;
  const std::uint64_t count = std::min<std::uint64_t>(array->count, kMaxScored);
  const std::size_t length = path_.size();
  for (std::uint64_t i = 0; i < count && at + i * *size < words_.size(); ++i) {
    if (evidence_) path_ += fmt::format("[{}]", i);
    score += value(array->element, at + i * *size, depth);
    path_.resize(length);
  }
  return score;
}

TypeScore TypeScorer::structure(const TypeInfo& type, std::uint64_t at, unsigned depth) {
  if (!type.name.empty()) {
    if (const auto known = well_known(type.name, at)) return *known;
  }
  const bool delayed = type.name == "delayed_work";
  const bool common = std::ranges::find(kEverywhere, type.name) != std::end(kEverywhere);
  const bool was_delayed = std::exchange(in_delayed_work_, in_delayed_work_ || delayed);
  const bool was_common = std::exchange(in_common_, in_common_ || common);
  const TypeScore score = members(type, at, depth);
  in_delayed_work_ = was_delayed;
  in_common_ = was_common;
  return score;
}

// Structs whose parts say more together than each of them alone; others that say nothing.
std::optional<TypeScore> TypeScorer::well_known(std::string_view name, std::uint64_t at) {
  if (name == "list_head") return list_head(at);
  if (name == "hlist_node") return hlist_node(at);
  if (name == "rb_node") return rb_node(at);
  if (name == "refcount_struct") return counter(at, kMostReferences, "a count of references");
  if (name == "qspinlock") return counter(at, kLargestLock, "a lock");
  return std::nullopt;
}

TypeScore TypeScorer::list_head(std::uint64_t at) {
  const WordKind next = words_.kind(at), previous = words_.kind(at + kWord);
  if (next == WordKind::kUnknown || previous == WordKind::kUnknown) return {};
  if (next == WordKind::kZero && previous == WordKind::kZero) return {};
  if (next == WordKind::kPoison && previous == WordKind::kPoison) {
    return tell(at, 6, Force::kCommon,
                [] { return std::string("was taken off a list (LIST_POISON)"); });
  }
  const bool pointers = (next == WordKind::kKernel || next == WordKind::kSelf) &&
                        (previous == WordKind::kKernel || previous == WordKind::kSelf);
  if (!pointers) {
    return tell(at, -5, Force::kWeak, [] { return std::string("is no list_head"); });
  }
  if (words_.value(at) == raw(words_.object()) + at &&
      words_.value(at + kWord) == words_.value(at)) {
    return tell(at, 7, Force::kCommon,
                [] { return std::string("points to itself: an empty list_head"); });
  }
  switch (words_.links(at)) {
    case ObjectWords::Links::kBoth:
      return tell(at, 7, Force::kCommon,
                  [] { return std::string("is on a list: both neighbours point back"); });
    case ObjectWords::Links::kOne:
      return tell(at, 3, Force::kWeak,
                  [] { return std::string("is on a list: one neighbour points back"); });
    default:
      return tell(at, -1, Force::kWeak,
                  [] { return std::string("may have been on a list: nobody points back"); });
  }
}

TypeScore TypeScorer::hlist_node(std::uint64_t at) {
  const WordKind next = words_.kind(at), previous = words_.kind(at + kWord);
  if (next == WordKind::kUnknown || previous == WordKind::kUnknown) return {};
  if (previous == WordKind::kZero) {
    if (next == WordKind::kZero) return {};
    if (next == WordKind::kPoison) {
      return tell(at, 5, Force::kCommon,
                  [] { return std::string("is of a timer that has ended"); });
    }
    return tell(at, -3, Force::kWeak, [] { return std::string("is no hlist_node"); });
  }
  if (previous == WordKind::kPoison) {
    return tell(at, 5, Force::kCommon,
                [] { return std::string("was taken off a hash list (LIST_POISON)"); });
  }
  if (previous != WordKind::kKernel && previous != WordKind::kSelf) {
    return tell(at, -5, Force::kWeak, [] { return std::string("is no hlist_node"); });
  }
  if (words_.hashed(at)) {
    return tell(at, 6, Force::kCommon,
                [] { return std::string("is on a hash list, which points back"); });
  }
  return tell(at, -1, Force::kWeak, [] { return std::string("may have been on a hash list"); });
}

// struct rb_node: __rb_parent_color, rb_right, rb_left.
TypeScore TypeScorer::rb_node(std::uint64_t at) {
  const std::uint64_t here = raw(words_.object()) + at;
  constexpr std::uint64_t kColor = 3;
  for (const std::uint64_t offset : {at, at + kWord, at + 2 * kWord}) {
    const WordKind kind = words_.kind(offset);
    if (kind == WordKind::kUnknown) return {};
    if (kind != WordKind::kZero && kind != WordKind::kKernel && kind != WordKind::kSelf &&
        !(offset == at && kind == WordKind::kNumber && words_.value(at) <= kColor)) {
      return tell(at, -5, Force::kWeak, [] { return std::string("is no rb_node"); });
    }
  }
  if (words_.value(at) == here) {
    return tell(at, 6, Force::kCommon,
                [] { return std::string("points to itself: an rb_node in no tree"); });
  }
  for (const std::uint64_t child : {at + kWord, at + 2 * kWord}) {
    const auto parent = words_.pointee(child, 0);
    if (parent && (*parent & ~kColor) == here) {
      return tell(at, 5, Force::kCommon,
                  [] { return std::string("is in a tree: its child points back"); });
    }
  }
  return {};
}

TypeScore TypeScorer::counter(std::uint64_t at, std::uint32_t most, std::string_view what) {
  const auto value = load<std::uint32_t>(words_.content(), at);
  if (!value || !words_.known(at, sizeof *value) || *value < most) return {};
  return tell(at, -3, Force::kWeak,
              [&] { return fmt::format("{:#x} is no value of {}", *value, what); });
}

TypeScore TypeScorer::number(const TypeInfo& type, std::uint64_t at, std::uint64_t size) {
  const auto integer = candidate_->types->integer(type);
  if (!integer || !words_.known(at, size)) return {};
  if (integer->is_bool && size == 1) {
    const auto byte = load<std::uint8_t>(words_.content(), at).value_or(0);
    if (byte <= 1) return {};
    return tell(at, -4, Force::kWeak, [&] { return fmt::format("{:#x} is no bool", byte); });
  }
  if (size < 4) return {};
  const WordKind kind = words_.kind(at / kWord * kWord);
  const auto against = [&](double weight) {
    return tell(at, weight, Force::kWeak, [&] {
      return fmt::format("holds (a part of) an address, {:#x}", words_.value(at / kWord * kWord));
    });
  };
  if (kind == WordKind::kSelf) return against(size == kWord ? -3 : -4);
  if (kind == WordKind::kFunction || kind == WordKind::kPoison) return against(-2);
  if (kind == WordKind::kKernel && words_.mapped(at / kWord * kWord)) {
    // The counter of an atomic_long_t often is a pointer with flags: work_struct.data, mutex.owner.
    if (size == kWord) return against(-0.5);
    return against(-1.5);
  }
  return {};
}

TypeScore TypeScorer::enumeration(const TypeInfo& type, std::uint64_t at) {
  const auto value = load<std::int32_t>(words_.content(), at);
  if (!value || type.word != sizeof *value || !words_.known(at, sizeof *value)) return {};
  std::int64_t least = 0, most = 0;
  for (std::uint32_t i = 0; i < std::min(type.count, kMaxEnumerators); ++i) {
    const auto each = candidate_->types->enumerator(type, i);
    if (!each) return {};
    least = std::min(least, each->value);
    most = std::max(most, each->value);
  }
  // Constants of single bits are joined: up to all of them.
  if (most > 0 && (most & (most - 1)) == 0) most = most * 2 - 1;
  if (*value >= least && *value <= most) return {};
  return tell(at, -3, Force::kWeak, [&] { return fmt::format("{} is no {}", *value, type.name); });
}

TypeScore TypeScorer::pointer(const TypeInfo& type, std::uint64_t at) {
  const WordKind kind = words_.kind(at);
  if (kind == WordKind::kZero || kind == WordKind::kUnknown) return {};
  const auto target = candidate_->types->resolved(type.word);
  if (!target) return {};
  if (target->kind == TypeKind::kPrototype) return function(type, target->id, at);
  const auto against = [&](double weight, std::string_view what) {
    return tell(at, weight, Force::kWeak,
                [&] { return fmt::format("{:#x} is {}", words_.value(at), what); });
  };
  switch (kind) {
    case WordKind::kNumber:
      // Pointers to per-CPU data are small numbers on x86_64.
      return words_.value(at) < (1 << 24) && !target->has_members() ? TypeScore{}
             : words_.value(at) < (1 << 24)                         ? against(-1.5, "no address")
                                                                    : against(-5, "no address");
    case WordKind::kUser:
      return against(-2, "no address of the kernel");
    case WordKind::kError:
      return {};
    case WordKind::kPoison:
      return against(-2, "LIST_POISON");
    case WordKind::kFunction:
    case WordKind::kCode:
      return target->kind == TypeKind::kVoid ? TypeScore{} : against(-4, "code");
    case WordKind::kSelf:
      return own_pointer(*target, at);
    default:
      break;
  }
  if (const auto* place = words_.slab(at)) return slab_pointer(*target, at, *place);
  if (!words_.mapped(at)) return against(-4, "not mapped");
  return static_pointer(*target, at);
}

}  // namespace rig::analyzer
