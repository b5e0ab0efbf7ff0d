// SPDX-License-Identifier: Apache-2.0
// Where one question ends and the next begins, on a command line and on a line that was typed.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace rig::commands {

using Words = std::vector<std::string>;

// The words of a line, as a shell divides them: 'a b' and "a b" are one word. Blame::kInput when a
// quote is not closed.
Result<Words> words_of(std::string_view line);

// A comma ends a question: {"bt", "-a", ",", "ps"} and {"bt", "-a,", "ps"} are two. So is each word
// that begins a question and is one by itself: {"bt -a", "ps"}.
std::vector<Words> split_questions(std::span<const std::string> words);

}  // namespace rig::commands
