// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/object_words.h"

#include <algorithm>
#include <utility>

#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kLargestError = 4095;  // MAX_ERRNO
constexpr std::uint64_t kLeastUser = 0x10000;
constexpr std::uint64_t kUserHalf = 1ull << 56;
// LIST_POISON1 and 2 of include/linux/poison.h, with the POISON_POINTER_DELTA of 64-bit kernels;
// the last one is LIST_POISON2 of older ones.
constexpr std::uint64_t kListPoisons[] = {0xdead000000000100, 0xdead000000000122,
                                          0xdead000000000200};
// What SLUB and the page allocator fill memory with: POISON_FREE, its end, POISON_INUSE, red zones.
constexpr std::uint64_t kFillers[] = {0x6b6b6b6b6b6b6b6b, 0xa56b6b6b6b6b6b6b, 0x5a5a5a5a5a5a5a5a,
                                      0xbbbbbbbbbbbbbbbb, 0xcccccccccccccccc, 0xaaaaaaaaaaaaaaaa};

bool is_one_of(std::uint64_t value, std::span<const std::uint64_t> values) {
  return std::ranges::find(values, value) != values.end();
}

}  // namespace

ObjectWords::ObjectWords(const Kernel& kernel, SlabReader& slabs, VirtAddr object,
                         std::vector<std::byte> content)
    : kernel_(kernel),
      slabs_(slabs),
      object_(object),
      content_(std::move(content)),
      ignored_(content_.size()),
      words_(content_.size() / kWord) {
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] = classify(value(i * kWord));
}

ObjectWords::Word ObjectWords::classify(std::uint64_t value) const {
  const auto of = [](WordKind kind) { return Word{kind, {}, {}, {}, {}, {}}; };
  if (value == 0) return of(WordKind::kZero);
  if (is_one_of(value, kFillers)) return of(WordKind::kUnknown);
  if (is_one_of(value, kListPoisons)) return of(WordKind::kPoison);
  if (value >= ~0ull - kLargestError) return of(WordKind::kError);
  if (value < kKernelHalf) {
    return of(value >= kLeastUser && value < kUserHalf ? WordKind::kUser : WordKind::kNumber);
  }
  if (VirtAddr{value} - object_ < content_.size()) return of(WordKind::kSelf);
  const auto code = kernel_.code(VirtAddr{value});
  if (!code) return of(WordKind::kKernel);
  if (code->offset != 0 || code->function.empty()) return of(WordKind::kCode);
  Word word = of(WordKind::kFunction);
  const bool of_module = !code->module.empty() && kernel_.modules();
  word.function = {code->function,
                   of_module ? kernel_.modules()->containing(VirtAddr{value}) : nullptr};
  return word;
}

void ObjectWords::ignore(std::uint64_t offset, std::uint64_t size) {
  const std::uint64_t end = std::min<std::uint64_t>(offset + size, content_.size());
  for (std::uint64_t i = offset; i < end; ++i) ignored_[i] = true;
  for (std::uint64_t i = offset / kWord; i < words_.size() && i * kWord < end; ++i) {
    words_[i].kind = WordKind::kUnknown;
  }
}

bool ObjectWords::known(std::uint64_t offset, std::uint64_t size) const {
  if (!slice(content_, offset, size)) return false;
  for (std::uint64_t i = offset; i < offset + size; ++i) {
    if (ignored_[i]) return false;
  }
  return kind(offset / kWord * kWord) != WordKind::kUnknown;
}

std::uint64_t ObjectWords::value(std::uint64_t offset) const {
  return load<std::uint64_t>(content_, offset).value_or(0);
}

WordKind ObjectWords::kind(std::uint64_t offset) const {
  const bool aligned = offset % kWord == 0;
  return aligned && offset / kWord < words_.size() ? words_[offset / kWord].kind
                                                   : WordKind::kUnknown;
}

ObjectWords::Word* ObjectWords::word(std::uint64_t offset) {
  const bool aligned = offset % kWord == 0;
  return aligned && offset / kWord < words_.size() ? &words_[offset / kWord] : nullptr;
}

const ObjectWords::FunctionName* ObjectWords::function(std::uint64_t offset) const {
  if (kind(offset) != WordKind::kFunction) return nullptr;
  const auto& function = words_[offset / kWord].function;
  return function ? &*function : nullptr;
}

const ObjectWords::SlabPlace* ObjectWords::slab(std::uint64_t offset) {
  Word* word = this->word(offset);
  if (!word || word->kind != WordKind::kKernel) return nullptr;
  if (!word->slab) {
    word->slab.emplace();
    const VirtAddr address{value(offset)};
    const auto place = slabs_.slab_at(address);
    if (place && place->slab.cache.size != 0 && address >= place->slab.object(0)) {
      const auto distance = (address - place->slab.object(0)) % place->slab.cache.size;
      *word->slab = SlabPlace{place->slab.cache.name, place->slab.cache.object_size, distance};
    }
  }
  return *word->slab ? &**word->slab : nullptr;
}

bool ObjectWords::mapped(std::uint64_t offset) {
  Word* word = this->word(offset);
  if (!word) return false;
  if (!word->mapped) {
    word->mapped = kernel_.memory().translate(VirtAddr{value(offset)}).has_value();
  }
  return *word->mapped;
}

std::optional<std::uint64_t> ObjectWords::pointee(std::uint64_t offset, std::uint64_t distance) {
  if (kind(offset) == WordKind::kSelf) {
    const auto at = VirtAddr{value(offset)} - object_ + distance;
    return load<std::uint64_t>(content_, at);
  }
  if (kind(offset) != WordKind::kKernel) return std::nullopt;
  const auto read = kernel_.memory().load<std::uint64_t>(VirtAddr{value(offset)} + distance);
  return read ? std::optional<std::uint64_t>(*read) : std::nullopt;
}

ObjectWords::Links ObjectWords::links(std::uint64_t offset) {
  Word* word = this->word(offset);
  if (!word) return Links::kNone;
  if (!word->links) {
    const std::uint64_t here = raw(object_) + offset;
    // struct list_head: next, prev.
    const bool next = pointee(offset, kWord) == here;
    const bool previous = pointee(offset + kWord, 0) == here;
    word->links = next && previous ? Links::kBoth : next || previous ? Links::kOne : Links::kNone;
  }
  return *word->links;
}

bool ObjectWords::hashed(std::uint64_t offset) {
  Word* word = this->word(offset);
  if (!word) return false;
  // struct hlist_node: next, pprev.
  if (!word->hashed) word->hashed = pointee(offset + kWord, 0) == raw(object_) + offset;
  return *word->hashed;
}

}  // namespace rig::analyzer
