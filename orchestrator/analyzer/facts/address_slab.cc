// SPDX-License-Identifier: Apache-2.0
// Slab objects with all that slub_debug and KASAN know of them, and KASAN's shadow memory.
#include "analyzer/facts/address.h"
#include "analyzer/slab/object_debug.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxBytesShown = 16;

std::string where_in(const SlabHit& hit) {
  if (hit.offset < 0)
    return fmt::format("{:#x} before its beginning, in its red zone", -hit.offset);
  const bool behind = static_cast<std::uint64_t>(hit.offset) >= hit.object.object_size;
  return fmt::format("+{:#x}{}", hit.offset,
                     behind ? fmt::format(", behind its {} bytes", hit.object.object_size) : "");
}

std::string wrong_words(const WrongBytes& wrong) {
  return fmt::format("{} bytes from {} on: {} instead of {}", wrong.count, signed_hex(wrong.offset),
                     hex_bytes(wrong.found, kMaxBytesShown),
                     hex_bytes(wrong.expected, kMaxBytesShown));
}

std::string state_words(const SlabObject& object) {
  if (!object.allocated) return "state unknown";
  return *object.allocated ? "allocated" : "free";
}

void describe_debugging(const ObjectDebug& debug, const SlabCache& cache, AddressFacts& facts) {
  const VirtAddr object = facts.object->address;
  const auto red = debug.state(cache, object);
  if (red) add_detail(facts, "red zones", *red == ObjectState::kActive ? "in use" : "free");
  auto state = red;
  if (!state && facts.object->allocated) {
    state = *facts.object->allocated ? ObjectState::kActive : ObjectState::kInactive;
  }
  if (state) {
    for (const WrongBytes& each : debug.check(cache, object, *state)) {
      add_detail(facts, to_string(each.kind), wrong_words(each));
    }
  }
  if (const auto byte = debug.shadow() ? debug.shadow()->byte(facts.address) : std::nullopt) {
    add_detail(facts, "KASAN's shadow", shadow_words(*byte));
  }
}

}  // namespace

std::optional<AddressFacts> address_in_slab(Inquiry& inquiry) {
  if (!inquiry.region.worth_asking) return std::nullopt;
  SlabReader slabs(inquiry.kernel, inquiry.arch,
                   static_cast<unsigned>(inquiry.session.core().cpus().size()));
  std::string why;
  auto hit = slabs.find(inquiry.address, &why);
  const auto place = slabs.slab_at(inquiry.address);
  if (!hit || !place) {
    if (why.empty()) return std::nullopt;
    return known_address(inquiry, "slab", std::move(why));
  }
  const SlabCache& cache = place->slab.cache;
  AddressFacts facts =
      known_address(inquiry, "slab-object",
                    fmt::format("{} object {} {} ({})", hit->object.cache, hit->object.address,
                                where_in(*hit), state_words(hit->object)));
  add_detail(facts, "evidence", hit->object.evidence);
  add_detail(facts, "cache",
             fmt::format("{} at {}, objects of {} bytes", cache.name, cache.at, cache.object_size));
  add_detail(
      facts, "slab",
      fmt::format("{}, object {} of {}", place->slab.begin, hit->object.slot, place->slab.objects));
  facts.offset = hit->offset;
  facts.object = std::move(hit->object);
  describe_debugging(slabs.debug(), cache, facts);
  return facts;
}

std::optional<AddressFacts> address_in_shadow(Inquiry& inquiry) {
  const bool shadow_area = inquiry.region.words == "in KASAN's shadow memory";
  // On arm64 a top byte that is wrong looks like a tag.
  const bool odd = raw(inquiry.address) >> 56 != 0xff && raw(inquiry.address) >> 56 != 0;
  if (!shadow_area && !odd) return std::nullopt;
  const auto shadow = KasanShadow::open(inquiry.kernel);
  if (!shadow) return std::nullopt;
  const std::uint64_t index = inquiry.address - shadow->shadow_of(VirtAddr{0});
  if (!shadow_area) {
    // What a check of an address of the user's half trips over: the code computes its shadow first.
    constexpr std::uint64_t kUserHalf = std::uint64_t{1} << 57;
    if (index >= kUserHalf >> 3) return std::nullopt;
    return known_address(
        inquiry, "kasan-shadow",
        fmt::format("where KASAN's shadow of {:#x} would be: the kernel was about to access that",
                    index << 3));
  }
  const VirtAddr target{index << 3};
  AddressFacts facts =
      known_address(inquiry, "kasan-shadow", fmt::format("KASAN's shadow of {}", target));
  if (const auto byte = inquiry.kernel.memory().load<std::uint8_t>(inquiry.address)) {
    facts.words += ": " + shadow_words(*byte);
  } else {
    facts.words += fmt::format(", {}", to_string(byte.error().why));
  }
  if (Whatis* whatis = inquiry.session.whatis()) {
    add_detail(facts, "that address", whatis->ask(target).words);
  }
  return facts;
}

}  // namespace rig::analyzer
