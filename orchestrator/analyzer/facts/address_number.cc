// SPDX-License-Identifier: Apache-2.0
// Numbers that are no addresses: NULL and what is near it, errors as pointers, poison, canaries.
#include "analyzer/facts/address.h"
#include "analyzer/facts/errno_names.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxErrno = 4095;  // include/linux/err.h
constexpr std::uint64_t kNear = 4096;      // a member's offset from a bad pointer, at most

struct Marker {
  std::uint64_t value;
  std::string_view words;
};

// include/linux/poison.h with CONFIG_ILLEGAL_POINTER_VALUE, which both architectures have.
constexpr std::uint64_t kIllegal = 0xdead'0000'0000'0000;
constexpr Marker kMarkers[] = {
    {kIllegal + 0x40, "the mark of a page of a page_pool (PP_SIGNATURE)"},
    {kIllegal + 0xf5, "VFS_PTR_POISON"},
    {kIllegal + 0x100, "LIST_POISON1: the `next` of an entry that was removed from its list"},
    {kIllegal + 0x122, "LIST_POISON2: the `prev` of an entry that was removed from its list"},
    {kIllegal + 0x300, "TIMER_ENTRY_STATIC"},
    {kIllegal + 0x400, "TAIL_MAPPING: the mapping of a tail page"},
    {kIllegal + 0x500, "MUTEX_POISON_WW_CTX"},
    {kIllegal + 0xeb9f, "BPF_PTR_POISON"},
};

struct Pattern {
  std::uint8_t byte;
  std::string_view words;
};

// include/linux/poison.h.
constexpr Pattern kPatterns[] = {
    {0x6b, "POISON_FREE: from an object that was freed"},
    {0x5a, "POISON_INUSE: from padding, or memory that was never initialised"},
    {0xa5, "POISON_END: from the end of a freed object"},
    {0xbb, "SLUB_RED_INACTIVE: from the red zone of a free object"},
    {0xcc, "SLUB_RED_ACTIVE or POISON_FREE_INITMEM: from a red zone, or from init memory"},
    {0xaa, "PAGE_POISON: from a page that was freed"},
};

std::string plus(std::uint64_t offset) {
  return offset == 0 ? std::string() : fmt::format(" + {:#x}", offset);
}

}  // namespace

std::optional<AddressFacts> address_as_number(Inquiry& inquiry) {
  const std::uint64_t value = raw(inquiry.address);
  if (value == 0) return known_address(inquiry, "null", "NULL");
  if (value == 16) {
    auto facts = known_address(inquiry, "null", "in the NULL page: 0x10 behind NULL");
    add_detail(facts, "or", "ZERO_SIZE_PTR, what kmalloc(0) returns");
    return facts;
  }
  if (value < inquiry.layout.page_size) {
    return known_address(inquiry, "null",
                         fmt::format("in the NULL page: {:#x} behind NULL", value));
  }
  if (value < 0 - kMaxErrno) return std::nullopt;
  const auto number = static_cast<unsigned>(0 - value);
  const auto name = errno_name(number);
  return known_address(
      inquiry, "error",
      name ? fmt::format("the error {} ({}) as a pointer", *name, -static_cast<int>(number))
           : fmt::format("the error {} as a pointer", -static_cast<int>(number)));
}

std::optional<std::string> poison_words(std::uint64_t value) {
  const Marker* marker = nullptr;
  for (const Marker& each : kMarkers) {
    if (value >= each.value && value - each.value < 0x100) marker = &each;
  }
  if (marker) return fmt::format("{}{}", marker->words, plus(value - marker->value));
  for (const Pattern& each : kPatterns) {
    const std::uint64_t full = each.byte * 0x0101'0101'0101'0101ull;
    if (value - full < kNear) {
      return fmt::format("the pattern {:#x}{}: {}", full, plus(value - full), each.words);
    }
    if (full - value < kNear) {
      return fmt::format("the pattern {:#x} - {:#x}: {}", full, full - value, each.words);
    }
    // Someone wrote into the lower half: what is poisoned is overwritten, too.
    if (value >> 32 == full >> 32) {
      return fmt::format("{:#x} over the pattern {:#x}: {}", value & 0xffff'ffff, full, each.words);
    }
  }
  return std::nullopt;
}

std::optional<AddressFacts> address_as_poison(Inquiry& inquiry) {
  auto words = poison_words(raw(inquiry.address));
  if (!words) return std::nullopt;
  return known_address(inquiry, "poison", *std::move(words));
}

// A word that a compiler's stack protector left: task_struct.stack_canary, whose lowest byte is 0.
std::optional<AddressFacts> address_as_canary(Inquiry& inquiry) {
  const std::uint64_t value = raw(inquiry.address);
  if ((value & 0xff) != 0 || value >> 32 == 0 || inquiry.region.worth_asking) return std::nullopt;
  if (!inquiry.fields.has("task_struct.stack_canary")) return std::nullopt;
  for (const Task& task : inquiry.session.tasks()) {
    if (inquiry.fields.value(task.at, "task_struct.stack_canary") != value) continue;
    return known_address(inquiry, "canary",
                         fmt::format("the stack canary of {} (PID {})", task.comm,
                                     task.pid ? std::to_string(*task.pid) : "?"));
  }
  return std::nullopt;
}

}  // namespace rig::analyzer
