// SPDX-License-Identifier: Apache-2.0
// From names to the numbers that bear them: open addressing over hashes, names stay where they are.
// Several numbers may share a name (static functions, types of several drivers).
#pragma once

#include <bit>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace rig::analyzer {

class NameIndex {
 public:
  NameIndex() : NameIndex(0) {}
  // For up to `count` names.
  explicit NameIndex(std::size_t count) : slots_(std::bit_ceil(count * 2 + 2)) {}

  // Of one name the first few numbers are kept: a hostile table with one name a million times must
  // not cost a million squared.
  void insert(std::string_view name, std::uint32_t number) {
    const auto hash = hash_of(name);
    std::size_t at = hash & mask();
    unsigned same = 0;
    for (unsigned probes = 0; slots_[at].used; ++probes) {
      if (slots_[at].hash == hash) ++same;
      if (same == kMaxSame || probes == kMaxProbes) return;
      at = (at + 1) & mask();
    }
    slots_[at] = {hash, number, true};
  }

  // Calls `visit(number)` for each candidate in order of insertion until it returns true. A
  // candidate has the right hash, not necessarily the right name.
  template <typename Visit>
  bool any(std::string_view name, Visit visit) const {
    const auto hash = hash_of(name);
    for (std::size_t at = hash & mask(); slots_[at].used; at = (at + 1) & mask()) {
      if (slots_[at].hash == hash && visit(slots_[at].number)) return true;
    }
    return false;
  }

 private:
  static constexpr unsigned kMaxSame = 16;
  static constexpr unsigned kMaxProbes = 4096;

  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t number = 0;
    bool used = false;
  };

  static std::uint32_t hash_of(std::string_view name) {
    return static_cast<std::uint32_t>(std::hash<std::string_view>{}(name));
  }
  std::size_t mask() const { return slots_.size() - 1; }

  std::vector<Slot> slots_;
};

}  // namespace rig::analyzer
