// SPDX-License-Identifier: Apache-2.0
// Writes the tables that scripts/kallsyms.c would write, and the VMCOREINFO lines that name them.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "fakes/fake_memory.h"

namespace rig::analyzer::fake {

struct KallsymsTables {
  struct Entry {
    std::uint64_t address;
    char type;
    std::string name;
  };

  static constexpr std::uint64_t kBase = 0xffff'ffff'8100'0000;  // kallsyms_relative_base
  static constexpr std::uint64_t kTables = 0xffff'ffff'8200'0000;

  static constexpr std::uint64_t kTokenTable = kTables + 0x10'1000;
  static constexpr std::uint64_t kNames = kTables + 0x8'0000;

  std::vector<Entry> entries;
  bool absolute_per_cpu = true;
  // kallsyms_markers[]: 4 bytes for every 256 symbols, right before the tokens but for `behind`.
  bool markers = true;
  std::uint64_t behind_markers = 0;

  // Puts the tables into `memory` and returns the lines of VMCOREINFO.
  std::string write(FakeVirtMemory& memory) const {
    const auto count_at = kTables, base_at = kTables + 8, offsets = kTables + 0x1000,
               index = kTables + 0x10'0000, table = kTokenTable, names = kNames;
    memory.put(count_at, static_cast<std::uint32_t>(entries.size()));
    memory.put(base_at, kBase);
    // Token 1 stands for "ab"; every other token for the character of its own number.
    std::uint64_t at = 0;
    for (unsigned token = 0; token < 256; ++token) {
      memory.put(index + token * 2, static_cast<std::uint16_t>(at));
      const std::string text = token == 1 ? "ab" : std::string(1, static_cast<char>(token));
      memory.put_text(table + at, token == 0 ? "" : text);
      at += (token == 0 ? 0 : text.size()) + 1;
    }
    std::string bytes;
    const auto first_marker =
        table - behind_markers - align_up((entries.size() + 255) / 256 * 4, 8);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (markers && i % 256 == 0) {
        memory.put(first_marker + i / 64, static_cast<std::uint32_t>(bytes.size()));
      }
      const Entry& entry = entries[i];
      const auto distance = static_cast<std::int64_t>(entry.address - kBase);
      const bool small = entry.address < (1u << 31);
      const std::int64_t offset = !absolute_per_cpu ? distance
                                  : small           ? static_cast<std::int64_t>(entry.address)
                                                    : -distance - 1;
      memory.put(offsets + i * 4, static_cast<std::uint32_t>(offset));
      std::string coded = entry.type + entry.name;
      for (auto pair = coded.find("ab", 1); pair != std::string::npos;
           pair = coded.find("ab", pair)) {
        coded.replace(pair, 2, "\x01");
      }
      if (coded.size() < 128) {
        bytes += static_cast<char>(coded.size());
      } else {
        bytes += static_cast<char>(0x80 | (coded.size() & 0x7f));
        bytes += static_cast<char>(coded.size() >> 7);
      }
      bytes += coded;
    }
    memory.pages.write(names, as_bytes(bytes));
    return fmt::format(
        "SYMBOL(kallsyms_names)={:x}\nSYMBOL(kallsyms_num_syms)={:x}\n"
        "SYMBOL(kallsyms_token_table)={:x}\nSYMBOL(kallsyms_token_index)={:x}\n"
        "SYMBOL(kallsyms_offsets)={:x}\nSYMBOL(kallsyms_relative_base)={:x}\n",
        names, count_at, table, index, offsets, base_at);
  }
};

// Where the functions of a synthetic kernel begin.
inline constexpr std::uint64_t kText = KallsymsTables::kBase;

}  // namespace rig::analyzer::fake
