// SPDX-License-Identifier: Apache-2.0
#include "analyzer/inspect/object_bytes.h"

#include <fmt/format.h>

#include <algorithm>

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kPage = 4096;

}  // namespace

ObjectBytes::ObjectBytes(const VirtMemory& memory, VirtAddr at, std::uint64_t size)
    : at_(at), bytes_(size) {
  for (std::uint64_t done = 0; done < size;) {
    const VirtAddr from = at + done;
    const auto part = std::min(size - done, kPage - raw(from) % kPage);
    const auto into = MutableBytes(bytes_).subspan(done, part);
    if (const auto got = memory.read(from, into); !got) {
      std::ranges::fill(into, std::byte{0});
      holes_.push_back({done, done + part, got.error()});
    }
    done += part;
  }
}

std::optional<ReadFault> ObjectBytes::missing(std::uint64_t offset, std::uint64_t size) const {
  for (const Hole& hole : holes_) {
    if (offset < hole.end && hole.begin < offset + size) return hole.fault;
  }
  return std::nullopt;
}

std::string placeholder(const ReadFault& fault) {
  switch (fault.why) {
    case Absence::kExcluded:
      return fmt::format("<page excluded at {:#x}>", fault.address);
    case Absence::kNotPresent:
      return fmt::format("<not in the core at {:#x}>", fault.address);
    case Absence::kMissingPart:
      return fmt::format("<in a part of the dump that was not given at {:#x}>", fault.address);
    case Absence::kDamaged:
      return fmt::format("<damaged in the core at {:#x}>", fault.address);
    case Absence::kUnmapped:
      break;
  }
  return fmt::format("<not mapped at {:#x}>", fault.address);
}

}  // namespace rig::analyzer
