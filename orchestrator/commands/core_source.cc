// SPDX-License-Identifier: Apache-2.0
#include "commands/core_source.h"

#include "commands/live_core.h"

namespace rig::commands {

void add_core_options(CLI::App& app, CoreSource& source) {
  app.add_option(
         "CORE", source.core,
         "ELF or kdump-compressed vmcore, flattened or not, from QEMU, libvirt or kdump; or "
         "qemu:/path/to/qmp.sock for a live guest, which is held meanwhile")
      ->required();
  app.add_option("--part", source.parts,
                 "another part of a dump that was written in several (makedumpfile --split); once "
                 "for each")
      ->allow_extra_args(false);
  app.add_option("--debuginfo", source.debuginfo,
                 "vmlinux with DWARF, or a folder of unpacked -dbg packages: adds source lines and "
                 "inlined callers");
}

namespace {

Result<analyzer::Core> open_core(const CoreSource& source, std::stop_token stop) {
  const auto socket = live_socket(source.core);
  if (socket && !source.parts.empty()) {
    return fail(Blame::kInput, "--part: a live guest has no parts");
  }
  if (socket) return open_live_core(*socket, std::move(stop));
  if (source.parts.empty()) return analyzer::Core::open(source.core);
  std::vector<fs::path> parts{source.core};
  parts.insert(parts.end(), source.parts.begin(), source.parts.end());
  return analyzer::Core::open(parts);
}

}  // namespace

Result<analyzer::Session> open_session(const CoreSource& source, std::stop_token stop) {
  RIG_ASSIGN(analyzer::Core core, open_core(source, std::move(stop)));
  analyzer::Session session(std::move(core));
  if (!source.debuginfo.empty()) RIG_TRY(session.use_debuginfo(source.debuginfo));
  return session;
}

}  // namespace rig::commands
