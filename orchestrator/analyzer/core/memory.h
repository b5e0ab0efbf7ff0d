// SPDX-License-Identifier: Apache-2.0
// The guest's physical memory, wherever it lies: a core file, or one day a live, stopped guest.
// The analyzer above this interface never asks where bytes come from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"

namespace rig::analyzer {

// Why bytes cannot be had. "Filtered out" and "never there" are different statements to a user.
enum class Absence {
  kNotPresent,   // no such memory in the dump
  kMissingPart,  // the dump has it, in a part (of a split dump) that was not given
  kExcluded,     // makedumpfile left the page out on purpose
  kDamaged,      // the file should have it, but it is cut or does not decompress
  kUnmapped,     // (virtual addresses) the page tables map nothing here
};
std::string_view to_string(Absence absence);

struct ReadFault {
  Absence why = Absence::kNotPresent;
  std::uint64_t address = 0;  // the first address that could not be read

  bool operator==(const ReadFault&) const = default;
};

// "0x1f3a000: excluded when the dump was written"
std::string describe(const ReadFault& fault);

template <typename T>
using Read = tl::expected<T, ReadFault>;

struct PhysRange {
  PhysAddr begin{};
  std::uint64_t size = 0;
};

class PhysMemory {
 public:
  virtual ~PhysMemory() = default;

  // Fills `out` from `address` on, across pages, or says what is missing first; what lies before
  // that is filled then. May keep decompressed pages: one thread at a time per object.
  virtual Read<void> read(PhysAddr address, MutableBytes out) const = 0;

  // What the guest had as RAM, ascending, not overlapping.
  virtual std::vector<PhysRange> ranges() const = 0;

  template <typename T>
  Read<T> load(PhysAddr address) const {
    T value;
    if (auto got = read(address, std::as_writable_bytes(std::span(&value, 1))); !got) {
      return tl::unexpected(got.error());
    }
    return value;
  }
};

}  // namespace rig::analyzer
