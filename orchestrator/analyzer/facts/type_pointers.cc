// SPDX-License-Identifier: Apache-2.0
// Where the pointers of a struct may lead: the part of TypeScorer about them.
#include <algorithm>

#include "analyzer/core/limits.h"
#include "analyzer/facts/type_scorer.h"
#include "analyzer/symbols/btf_text.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxString = 64;
// Of so rare a prototype there are not many members either.
constexpr double kRareBits = 6;
// The sizes of kmalloc's caches: include/linux/slab.h. What is smaller than the one before would
// not be there.
constexpr std::uint64_t kKmallocSizes[] = {0,   8,   16,  32,   64,   96,   128,
                                           192, 256, 512, 1024, 2048, 4096, 8192};

bool fits_class(std::uint64_t size, std::uint64_t object_size) {
  const auto each = std::ranges::find(kKmallocSizes, object_size);
  if (each == std::end(kKmallocSizes) || each == std::begin(kKmallocSizes)) return false;
  return size <= object_size && size > *std::prev(each);
}

// "task_struct" of task_struct, "mm_struct" of mm_struct, "ext4_inode_cache" of inode, "dentry".
bool is_named_after(std::string_view cache, std::string_view type) {
  for (const std::string_view end : {std::string_view("_cache"), std::string_view("_cachep")}) {
    if (cache.ends_with(end)) cache.remove_suffix(end.size());
  }
  std::string_view root = type;
  if (root.ends_with("_struct")) root.remove_suffix(7);
  if (root.size() < 4) return false;
  return cache == type || cache == root ||
         (cache.size() > root.size() && cache.ends_with(root) &&
          cache[cache.size() - root.size() - 1] == '_');
}

bool is_table(std::string_view type) {
  return type.ends_with("_ops") || type.ends_with("_operations");
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

TypeScore TypeScorer::function(const TypeInfo& pointer, std::uint32_t prototype, std::uint64_t at) {
  const WordKind kind = words_.kind(at);
  const auto against = [&](double weight, std::string_view what) {
    return tell(at, weight, Force::kWeak,
                [&] { return fmt::format("{:#x} is {}", words_.value(at), what); });
  };
  if (kind == WordKind::kError) return against(-2, "no function");
  const ObjectWords::FunctionName* found = words_.function(at);
  if (!found)
    return against(-5, kind == WordKind::kCode ? "not where a function begins" : "no code");
  const auto called = [&] {
    return found->module ? fmt::format("{} [{}]", found->name, found->module->name) : found->name;
  };
  if (found->name == "delayed_work_timer_fn") {
    if (!in_delayed_work_) {
      return against(-6, "delayed_work_timer_fn, of which this is no delayed_work");
    }
    return tell(at, 13, Force::kCommon,
                [&] { return called() + ", which every delayed_work has there"; });
  }
  const auto bits =
      index_.prototype_bits(found->name, found->module, *candidate_->types, prototype);
  if (!bits)
    return tell(at, 3, Force::kWeak, [&] { return fmt::format("is {}, a function", called()); });
  if (*bits == 0) return against(-5, fmt::format("{}, a function of another kind", called()));
  const bool own = found->module && found->module == candidate_->module;
  const bool rare = own || (*bits >= kRareBits && !in_common_);
  const Force force = rare ? Force::kSpecific : Force::kCommon;
  return tell(at, 3 + *bits + (own ? 3 : 0), force, [&] {
    return fmt::format("is {}, a {}", called(), declaration(*candidate_->types, pointer.id));
  });
}

TypeScore TypeScorer::slab_pointer(const TypeInfo& target, std::uint64_t at,
                                   const ObjectWords::SlabPlace& place) {
  if (!target.has_members()) return {};
  const auto leads = [&](double weight, Force force) {
    return tell(at, weight, force, [&] {
      return fmt::format("leads {} bytes into an object of {}, as a {} *", place.offset,
                         place.cache, type_name(target));
    });
  };
  const bool generic = contains(place.cache, "kmalloc");
  if (!generic && is_named_after(place.cache, target.name)) return leads(6, Force::kSpecific);
  const std::uint64_t size = target.word;
  if (size > place.object_size || place.offset > place.object_size - size) {
    return tell(at, -4, Force::kWeak, [&] {
      return fmt::format("leads {} bytes into an object of {}, where {} has no room", place.offset,
                         place.cache, type_name(target));
    });
  }
  if (place.offset != 0) return {};
  if (!generic) return size == place.object_size ? leads(4, Force::kWeak) : TypeScore{};
  return fits_class(size, place.object_size) ? leads(1.5, Force::kWeak) : TypeScore{};
}

TypeScore TypeScorer::static_pointer(const TypeInfo& target, std::uint64_t at) {
  const VirtAddr address{words_.value(at)};
  const Kernel& kernel = words_.kernel();
  if (target.name == "module" && kernel.modules()) {
    for (const Module& each : kernel.modules()->all()) {
      if (each.at != address) continue;
      const double weight = &each == candidate_->module ? 11 : 8;
      return tell(at, weight, Force::kSpecific,
                  [&] { return fmt::format("is the module {}", each.name); });
    }
    return tell(at, -4, Force::kWeak, [] { return std::string("is no module that is loaded"); });
  }
  if (target.kind == TypeKind::kInt && target.word == 1) {
    const std::string text = kernel.memory().c_string(address, kMaxString);
    const bool readable = text.size() > 2 && printable(text) == text;
    if (!readable) return {};
    return tell(at, 1.5, Force::kWeak, [&] { return fmt::format("leads to \"{}\"", text); });
  }
  if (!is_table(target.name)) return {};
  const auto symbol = kernel.data(address);
  if (!symbol) return {};
  const bool named = contains(*symbol, "ops") || contains(*symbol, "operations");
  if (!named || !contains(*symbol, "+0x0")) return {};
  return tell(at, 5, Force::kSpecific, [&] {
    return fmt::format("is {}, as a {} *", symbol->substr(0, symbol->find('+')), type_name(target));
  });
}

// Whether `owner` has a struct of that name exactly at `offset`.
bool TypeScorer::holds(const TypeInfo& owner, std::uint64_t offset, std::string_view name,
                       unsigned depth) {
  for (std::uint32_t i = 0; i < owner.count && depth != 0 && budget_ != 0; ++i, --budget_) {
    const auto field = candidate_->types->field(owner, i);
    if (!field || field->bits / 8 > offset) continue;
    std::uint64_t inner_offset = offset - field->bits / 8;
    auto inner = candidate_->types->resolved(field->type);
    for (unsigned nested = 0; inner && nested < kMaxStructDepth; ++nested) {
      const auto array = candidate_->types->array(*inner);
      if (!array) break;
      const auto size = candidate_->types->size_of(array->element).value_or(0);
      if (size == 0 || inner_offset / size >= array->count) break;
      inner_offset %= size;
      inner = candidate_->types->resolved(array->element);
    }
    if (!inner || !inner->has_members() || inner_offset >= std::max(inner->word, 1U)) continue;
    if (inner_offset == 0 && inner->name == name) return true;
    if (holds(*inner, inner_offset, name, depth - 1)) return true;
  }
  return false;
}

TypeScore TypeScorer::own_pointer(const TypeInfo& target, std::uint64_t at) {
  if (!target.has_members() || target.name.empty()) return {};
  const auto offset = VirtAddr{words_.value(at)} - words_.object();
  const auto self = candidate_->types->type(candidate_->id);
  const bool right = self && ((offset == 0 && self->name == target.name) ||
                              holds(*self, offset, target.name, kMaxStructDepth));
  const auto words = [&](std::string_view what) {
    return fmt::format("leads to this object's {:#x}, {} a {}", offset, what, type_name(target));
  };
  // To where it lies itself: a list_head by another name.
  const Force force = offset == at ? Force::kCommon : Force::kSpecific;
  if (right) return tell(at, 7, force, [&] { return words("where this struct has"); });
  return tell(at, -3, Force::kWeak, [&] { return words("which is not"); });
}

}  // namespace rig::analyzer
