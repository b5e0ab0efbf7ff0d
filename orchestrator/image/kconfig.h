// SPDX-License-Identifier: Apache-2.0
// Why an option of a kernel's configuration cannot be had: a look into the tree's Kconfig files,
// whose language is described in the kernel's Documentation/kbuild/kconfig-language.rst.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "image/kernel_config.h"

namespace rig::image {

class Kconfig {
 public:
  // `arch` is the name of the architecture's folder below arch/: "x86", "arm64".
  static Result<Kconfig> read(const fs::path& tree, std::string_view arch);

  // One clause for a message: "it depends on PM_SLEEP_SMP (n)", "there is no such option …".
  // `wanted` is what was asked for; names are without CONFIG_.
  std::string why_not(const std::string& name, const std::string& wanted,
                      const Config& config) const;

 private:
  friend class KconfigReader;
  struct Definition {
    std::vector<std::string> conditions;  // expressions that must all hold
    bool has_prompt = false;
  };
  std::map<std::string, std::vector<Definition>> options_;
  std::map<std::string, std::vector<std::string>> selected_by_;
};

// The symbols that keep the expression from being y, each with its value: "PCI (n)", "EFI (y)". Of
// an `||` that fails all of them, with "or". Empty when it holds. Macros, $(…), count as true.
std::string blocking_symbols(std::string_view expression, const Config& config);

}  // namespace rig::image
