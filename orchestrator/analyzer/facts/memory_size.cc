// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/memory_size.h"

#include <fmt/format.h>

#include <iterator>

namespace rig::analyzer {

std::string memory_size(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", value, unit == 0 ? 0 : 1, kUnits[unit]);
}

}  // namespace rig::analyzer
