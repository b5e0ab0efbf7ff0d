// SPDX-License-Identifier: Apache-2.0
#include "commands/core_source.h"

namespace rig::commands {

void add_core_options(CLI::App& app, CoreSource& source) {
  app.add_option("CORE", source.core,
                 "ELF or kdump-compressed vmcore, flattened or not, from QEMU, libvirt or kdump")
      ->required();
}

Result<analyzer::Session> open_session(const CoreSource& source) {
  RIG_ASSIGN(analyzer::Core core, analyzer::Core::open(source.core));
  return analyzer::Session(std::move(core));
}

}  // namespace rig::commands
