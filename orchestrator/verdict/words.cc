// SPDX-License-Identifier: Apache-2.0
#include "verdict/words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace rig::verdict {

std::string join_some(const std::vector<std::string>& all) {
  const std::size_t shown = std::min(all.size(), kShown);
  const auto end = all.begin() + static_cast<std::ptrdiff_t>(shown);
  std::string text = fmt::format("{}", fmt::join(all.begin(), end, "; "));
  if (all.size() > shown) text += fmt::format("; and {} more", all.size() - shown);
  return text;
}

}  // namespace rig::verdict
