// SPDX-License-Identifier: Apache-2.0
// A document whose steps can be carried out: its fenced blocks, in order.
//
//   ```sh          commands; the line that does not end with 0 fails the step
//   ```console     what the commands above print on stdout: "..." stands for any text of a line,
//   and
//                  a line of its own for any lines
//   `PATH`:        before a block: a file of that name with this content
//
// Blocks of any other kind are for readers only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace rig::e2e {

struct Step {
  enum class Kind { kCommands, kOutput, kFile };
  Kind kind = Kind::kCommands;
  std::string text;
  std::string path = {};  // of kFile
  int line = 0;           // in the document, of the block's first line
};

// An error for a block without an end, and for output that no commands are before.
Result<std::vector<Step>> parse_document(std::string_view markdown);

// Is `found` what `shown` shows of it? Blanks at the ends of lines do not count.
bool fits(std::string_view shown, std::string_view found);

}  // namespace rig::e2e
