// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/arm64_references.h"

#include <algorithm>
#include <array>
#include <optional>

namespace rig::analyzer {
namespace {

constexpr unsigned kRegisters = 32;
constexpr unsigned kLastOfCall = 18;  // AAPCS64: a call may change x0 to x18, and x30
constexpr unsigned kLink = 30;
constexpr unsigned kStackOrZero = 31;

// What one instruction does, as far as it matters here.
class Tracker {
 public:
  void step(std::uint32_t word, std::uint64_t at) {
    const unsigned destination = word & 31;
    const unsigned base = word >> 5 & 31;
    if ((word & 0x9f00'0000) == 0x9000'0000) {  // ADRP
      set(destination, (at & ~0xfffull) + (page_distance(word) << 12));
    } else if ((word & 0x9f00'0000) == 0x1000'0000) {  // ADR
      refer(at + page_distance(word));
      set(destination, at + page_distance(word));
    } else if ((word & 0xff80'0000) == 0x9100'0000) {  // ADD, 64 bits, immediate
      const std::uint64_t distance = (word >> 10 & 0xfff) << ((word >> 22 & 1) * 12);
      const auto target = plus(base, distance);
      if (target) refer(*target);
      assign(destination, target);
    } else if ((word & 0x3b00'0000) == 0x3900'0000) {  // LDR and STR, unsigned offset
      refer_to(base, std::uint64_t{word >> 10 & 0xfff} << scale(word));
      if ((word >> 22 & 3) != 0 && (word >> 26 & 1) == 0) forget(destination);
    } else if ((word & 0x3f00'0000) == 0x0800'0000) {  // exclusive, acquire and release, CAS
      refer_to(base, 0);
      forget(destination);
      forget(word >> 16 & 31);
    } else if ((word & 0x3b20'0c00) == 0x3820'0000) {  // LSE atomics: LDADD, SWP ...
      refer_to(base, 0);
      forget(destination);
    } else if ((word & 0x3b20'0000) == 0x3800'0000) {  // LDR and STR, signed offset of 9 bits
      const auto distance = static_cast<std::uint64_t>(
          static_cast<std::int64_t>((word >> 12 & 0x1ff) ^ 0x100) - 0x100);
      const bool after = (word >> 10 & 3) == 1;  // post-indexed: the base as it was
      const auto target = plus(base, distance);
      refer_to(base, after ? 0 : distance);
      if ((word >> 22 & 3) != 0 && (word >> 26 & 1) == 0) forget(destination);
      if ((word >> 10 & 1) != 0) assign(base, target);
    } else if ((word & 0xfc00'0000) == 0x9400'0000 || (word & 0xffff'f800) == 0xd63f'0000) {  // BL
      for (unsigned i = 0; i <= kLastOfCall; ++i) forget(i);
      forget(kLink);
    } else if ((word & 0xfc00'0000) == 0x1400'0000 || (word & 0xff9f'f000) == 0xd61f'0000) {
      known_.fill(std::nullopt);  // B, BR, RET: what follows is reached from elsewhere
    } else if (!is_branch_or_compare(word)) {
      forget(destination);
      if ((word & 0x3a00'0000) == 0x2800'0000) forget(word >> 10 & 31);  // LDP, STP
      if ((word & 0x3a80'0000) == 0x2880'0000) forget(base);  // LDP, STP, pre- or post-indexed
    }
  }

  std::vector<Reference> take() { return std::move(found_); }

 private:
  // Sign-extended immhi:immlo of ADR and ADRP.
  static std::uint64_t page_distance(std::uint32_t word) {
    const auto bits = (word >> 5 & 0x7'ffff) << 2 | (word >> 29 & 3);
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(bits ^ 0x10'0000) - 0x10'0000);
  }
  static unsigned scale(std::uint32_t word) {
    const bool vector = (word >> 26 & 1) != 0;
    return vector && (word >> 23 & 1) != 0 ? 4 : word >> 30;  // 128 bits: opc<1>
  }
  // B.cond, CBZ, CBNZ, TBZ, TBNZ; hints and barriers.
  static bool is_branch_or_compare(std::uint32_t word) {
    return (word & 0xff00'0000) == 0x5400'0000 || (word & 0x7e00'0000) == 0x3400'0000 ||
           (word & 0x7e00'0000) == 0x3600'0000 || (word & 0xffff'0000) == 0xd503'0000;
  }
  void set(unsigned number, std::uint64_t value) {
    if (number != kStackOrZero) known_[number] = value;
  }
  void assign(unsigned number, std::optional<std::uint64_t> value) {
    if (number != kStackOrZero) known_[number] = value;
  }
  void forget(unsigned number) { known_[number].reset(); }
  std::optional<std::uint64_t> plus(unsigned number, std::uint64_t distance) const {
    if (number == kStackOrZero || !known_[number]) return std::nullopt;
    return *known_[number] + distance;
  }
  void refer_to(unsigned base, std::uint64_t distance) {
    if (const auto target = plus(base, distance)) refer(*target, true);
  }
  void refer(std::uint64_t target, bool accessed = false) {
    const auto same = std::ranges::find(found_, VirtAddr{target}, &Reference::address);
    if (same == found_.end()) {
      found_.push_back({VirtAddr{target}, accessed});
    } else {
      same->accessed |= accessed;
    }
  }

  std::array<std::optional<std::uint64_t>, kRegisters> known_;
  std::vector<Reference> found_;
};

}  // namespace

std::vector<Reference> arm64_references(ByteView code, VirtAddr begin) {
  Tracker tracker;
  for (std::uint64_t at = 0; at + 4 <= code.size(); at += 4) {
    tracker.step(*load<std::uint32_t>(code, at), raw(begin) + at);
  }
  return tracker.take();
}

}  // namespace rig::analyzer
