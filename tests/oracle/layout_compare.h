// SPDX-License-Identifier: Apache-2.0
// `struct -xo NAME` as crash writes it from DWARF and as we write it from BTF, brought to one form.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rig::oracle {

struct LayoutDifference {
  std::string ours, theirs;
};

struct LayoutComparison {
  std::size_t offsets = 0;  // members whose offset both sides print
  std::vector<LayoutDifference> differences;
};

// What is not counted as a difference is in docs/ORACLE.md, and in layout_compare.cc as a table.
LayoutComparison compare_layouts(std::string_view ours, std::string_view theirs);

}  // namespace rig::oracle
