// SPDX-License-Identifier: Apache-2.0
// Finds the files with debuginfo that belong to a core. Build ids decide, names only propose.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace rig::analyzer {

class DebuginfoFiles {
 public:
  explicit DebuginfoFiles(fs::path path);
  // Another place with modules: a folder, or the file of one.
  void add(const fs::path& path);

  // The vmlinux of that build, or of the only build there when `build_id` is empty. Blame::kInput
  // names the builds that are there instead, or where it was looked for.
  Result<fs::path> kernel(std::string_view build_id) const;
  // The same for a module; its name as the kernel has it ("i2c_core" is found as i2c-core.ko).
  // Without a build id nothing is found: too many builds have a module of that name.
  Result<fs::path> module(const std::string& name, std::string_view build_id) const;

 private:
  std::optional<fs::path> by_build_id(std::string_view build_id) const;
  std::vector<fs::path> kernel_candidates() const;
  void index_modules() const;

  fs::path path_;
  std::vector<fs::path> bases_;  // folders laid out as a -dbg package's usr/lib/debug
  std::vector<fs::path> module_files_;
  bool is_file_ = false;
  mutable std::optional<std::multimap<std::string, fs::path>> modules_;  // by name
};

// The build id in the ELF file's notes, hex; nothing when it has none.
// Blame::kInput when it is not an ELF file.
Result<std::optional<std::string>> elf_build_id(const fs::path& path);

}  // namespace rig::analyzer
