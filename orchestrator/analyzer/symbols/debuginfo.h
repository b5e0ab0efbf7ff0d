// SPDX-License-Identifier: Apache-2.0
// Source lines from separate debuginfo (DWARF), for whoever has it; everything else in this program
// does without. Opened lazily: one address reads its own compilation unit, whatever vmlinux weighs.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/guest_facts.h"
#include "analyzer/symbols/debuginfo_files.h"
#include "analyzer/symbols/kernel.h"
#include "base/address.h"
#include "base/error.h"

namespace rig::analyzer {

class DwarfFile;
struct ModuleObject;

class Debuginfo {
 public:
  // `path`: a vmlinux with DWARF, a kernel's build folder, or a folder of unpacked -dbg packages
  // (boot/vmlinux-*, lib/modules/**/*.ko, .build-id/xx/yy.debug, there or in its usr/lib/debug).
  // `build_id`: the core's, hex; empty when unknown, then a single vmlinux is believed and remarked
  // on. Blame::kInput with both build ids when what is there is of another build, and with what was
  // looked for when nothing is there. `kaslr_offset`: address in the core - address in vmlinux.
  static Result<Debuginfo> open(const fs::path& path, std::string_view build_id,
                                std::uint64_t kaslr_offset = 0);
  // For a core's VMCOREINFO: BUILD-ID and KERNELOFFSET.
  static Result<Debuginfo> open(const fs::path& path, const Vmcoreinfo& info);
  Debuginfo(Debuginfo&&) noexcept;
  Debuginfo& operator=(Debuginfo&&) noexcept;
  ~Debuginfo();

  // For modules that lie elsewhere (built out of tree): a *.ko, or a folder as open() takes.
  void also_look_in(const fs::path& path) { files_.add(path); }

  const fs::path& vmlinux() const { return vmlinux_; }
  const std::vector<std::string>& remarks() const { return remarks_; }

  // Of the kernel itself: the innermost (inlined) function first, the real one last; empty when
  // unknown. A return address lies behind its call: ask for address - 1. Without a function: some
  // assembly. Line 0: the compiler made this code up. Files are relative to the source tree where
  // they can be.
  std::vector<SourceLine> lines(VirtAddr address) const;

  // Of the kernel or of the module that `address` lies in. The module's file must have the build id
  // that the core has; an error says why a module has no lines, and is remembered.
  Result<std::vector<SourceLine>> lines(const Kernel& kernel, VirtAddr address);
  // The same for a module that is already known.
  Result<std::vector<SourceLine>> lines(const ModuleObject& module, VirtAddr address);

 private:
  explicit Debuginfo(DebuginfoFiles files);
  Result<DwarfFile> open_module(const ModuleObject& module) const;

  DebuginfoFiles files_;
  fs::path vmlinux_;
  std::uint64_t kaslr_offset_ = 0;
  std::string source_root_;
  std::unique_ptr<DwarfFile> kernel_;
  std::map<std::string, Result<std::unique_ptr<DwarfFile>>> modules_;  // by name
  std::map<std::uint64_t, ModuleObject> objects_;                      // by struct module
  std::vector<std::string> remarks_;
};

}  // namespace rig::analyzer
