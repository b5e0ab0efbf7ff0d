// SPDX-License-Identifier: Apache-2.0
// Kernel configurations: fragments are read and merged, and what became of them is checked. The
// file format is that of .config (the kernel's scripts/kconfig/confdata.c).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/arch.h"
#include "base/error.h"
#include "base/file.h"
#include "scenario/kernel_spec.h"

namespace rig::image {

// One option that a fragment asks for.
struct ConfigOption {
  std::string name;   // "CONFIG_KASAN"
  std::string value;  // "y", "m", "n", "18", "\"text\""
  std::string place;  // "kasan.config:4"
};

// Blame::kInput for a line that is neither an option nor a comment. `file` is only shown.
Result<std::vector<ConfigOption>> parse_fragment(std::string_view text, std::string_view file);

// All fragments of the description for the architecture; of an option that several give, the last
// counts, in the place of the first.
Result<std::vector<ConfigOption>> merge_fragments(const scenario::KernelConfig& config, Arch arch);

// As make's KCONFIG_ALLCONFIG, or appended to a .config, takes them.
std::string config_text(const std::vector<ConfigOption>& options);

// A finished .config. What it does not mention is "n".
class Config {
 public:
  explicit Config(std::string_view text);

  std::string value(const std::string& name) const;
  std::size_t enabled() const;  // how many options are y or m

 private:
  std::map<std::string, std::string> values_;
};

// Those that the configuration has otherwise than they were asked for.
std::vector<ConfigOption> not_as_asked(const std::vector<ConfigOption>& options,
                                       const Config& config);

}  // namespace rig::image
