// SPDX-License-Identifier: Apache-2.0
#include "analyzer/core/memory.h"

#include <fmt/format.h>

namespace rig::analyzer {

std::string_view to_string(Absence absence) {
  switch (absence) {
    case Absence::kNotPresent:
      return "not in the dump";
    case Absence::kMissingPart:
      return "not present: in a part of the split dump that is missing";
    case Absence::kExcluded:
      return "excluded when the dump was written";
    case Absence::kDamaged:
      return "damaged in the dump";
    case Absence::kUnmapped:
      return "not mapped";
  }
  return "absent";
}

std::string describe(const ReadFault& fault) {
  return fmt::format("{:#x}: {}", fault.address, to_string(fault.why));
}

}  // namespace rig::analyzer
