// SPDX-License-Identifier: Apache-2.0
#include "publish/terminal.h"

#include <fmt/format.h>

namespace rig::publish {

std::string paint(std::string_view text, Colour colour, bool enabled) {
  if (!enabled || colour == Colour::kNone || text.empty()) return std::string(text);
  const char* code = "0";
  switch (colour) {
    case Colour::kNone:
      break;
    case Colour::kBold:
      code = "1";
      break;
    case Colour::kDim:
      code = "2";
      break;
    case Colour::kRed:
      code = "31";
      break;
    case Colour::kGreen:
      code = "32";
      break;
    case Colour::kYellow:
      code = "33";
      break;
  }
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string clip(std::string_view text, std::size_t width) {
  std::string out = printable(text);
  if (out.size() <= width) return out;
  if (width <= 3) return out.substr(0, width);
  return out.substr(0, width - 3) + "...";
}

}  // namespace rig::publish
