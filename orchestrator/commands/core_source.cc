// SPDX-License-Identifier: Apache-2.0
#include "commands/core_source.h"

namespace rig::commands {

void add_core_options(CLI::App& app, CoreSource& source) {
  app.add_option("CORE", source.core,
                 "ELF or kdump-compressed vmcore, flattened or not, from QEMU, libvirt or kdump")
      ->required();
  app.add_option("--debuginfo", source.debuginfo,
                 "vmlinux with DWARF, or a folder of unpacked -dbg packages: adds source lines and "
                 "inlined callers");
}

Result<analyzer::Session> open_session(const CoreSource& source) {
  RIG_ASSIGN(analyzer::Core core, analyzer::Core::open(source.core));
  analyzer::Session session(std::move(core));
  if (!source.debuginfo.empty()) RIG_TRY(session.use_debuginfo(source.debuginfo));
  return session;
}

}  // namespace rig::commands
