// SPDX-License-Identifier: Apache-2.0
// A kernel's command line taken apart as the kernel does it (next_arg() in lib/cmdline.c): blanks
// separate, double quotes keep blanks and are dropped, '-' and '_' in names are the same.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rig::cmdline {

struct Parameter {
  std::string text;                  // as it was written: slub_debug=FZPU
  std::string name;                  // as it was written: slub_debug
  std::optional<std::string> value;  // FZPU; nothing without a '='

  std::string_view value_or_empty() const {
    return value ? std::string_view(*value) : std::string_view();
  }
};

struct CommandLine {
  std::vector<Parameter> parameters;
  std::vector<std::string> for_init;  // what follows "--": the kernel hands it to init
};

CommandLine parse_cmdline(std::string_view text);

// Do both name the same parameter? "no-kvmapf" and "no_kvmapf" do.
bool same_name(std::string_view a, std::string_view b);

// "1", "y", "on", "true" and their opposites, as kstrtobool() takes them; "true" is ours.
std::optional<bool> parse_switch(std::string_view text);
// "-1", "42", "0x10".
std::optional<std::int64_t> parse_integer(std::string_view text);
// "128M": a number and K, M, G or T (memparse()). Nothing when anything follows.
std::optional<std::uint64_t> parse_size(std::string_view text);

}  // namespace rig::cmdline
