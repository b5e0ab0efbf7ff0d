// SPDX-License-Identifier: Apache-2.0
// The scenario format (format.h) for readers.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "scenario/format.h"

namespace rig::scenario::format {

// A table for the manual.
std::string markdown(const Section& section);

// The same for a terminal: no Markdown, lines of at most 100 columns.
std::string plain(const Section& section);

// Blame::kInput, with the nearest name, when there is none called so.
Result<const Section*> find_section(std::string_view name);

// The manual with its tables as they should be. They stand between the lines
// "<!-- format: NAME -->" and "<!-- end of format -->"; each section has its place once, or it is
// an error.
Result<std::string> with_tables(std::string_view manual);

}  // namespace rig::scenario::format
