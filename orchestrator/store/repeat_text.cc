// SPDX-License-Identifier: Apache-2.0
#include "store/repeat_text.h"

#include "base/process.h"

namespace rig::store {

std::string pinned_kernel(const std::string& kernel, const std::string& release) {
  const std::string base = kernel.substr(0, kernel.rfind('@'));
  const auto flavour = release.rfind('-');
  if (flavour == std::string::npos || flavour == 0) return kernel;
  return fmt::format("{}@{}", base, release.substr(0, flavour));
}

namespace {

std::string or_unknown(const std::string& text) {
  return text.empty() ? "not known" : text;
}

void add(std::string& out, std::string_view what, const std::string& value) {
  out += fmt::format("  {:<10} {}\n", what, value);
}

std::string describe_guest(const scenario::Guest& guest) {
  std::string text = fmt::format("{} MiB, {} CPU{}", guest.memory_bytes >> 20, guest.cpus,
                                 guest.cpus == 1 ? "" : "s");
  for (const scenario::Disk& disk : guest.disks) {
    text += fmt::format(", disk of {} bytes", disk.bytes);
  }
  return text;
}

std::string stress_command(const scenario::Stress& stress, const std::string& program) {
  std::string text = program;
  for (const std::string& argument : stress.arguments()) text += " " + shell_quote(argument);
  return text;
}

std::string rig_command(const scenario::Cell& cell, const CellRecord& record) {
  const Command command{
      .program = "crashrig",
      .args = {"run", cell.scenario->file.string(), "--arch", std::string(to_string(cell.arch)),
               "--kernel", pinned_kernel(cell.kernel, record.kernel_release), "--detector",
               cell.detector.name, "--variant", cell.variant.name, "--repeat", "1", "--keep-core"},
      .directory = {},
      .environment = {}};
  return command.to_shell();
}

// What the agent did, as the commands that would do it.
std::string guest_commands(const scenario::Cell& cell) {
  std::string out;
  if (!cell.variant.module.empty()) {
    const std::string params = cell.variant.param_text();
    out += fmt::format("  insmod {}.ko{}{}\n", cell.variant.module.filename().string(),
                       params.empty() ? "" : " ", params);
  }
  if (const auto& stress = cell.scenario->stress) {
    out += fmt::format("  {}\n", stress_command(*stress, stress->program.filename().string()));
  }
  return out;
}

}  // namespace

std::string repeat_text(const scenario::Cell& cell, const CellRecord& record, unsigned number,
                        const Attempt& attempt) {
  std::string out =
      fmt::format("Attempt {} of {} ended as {}{}{}\n\n", number, cell.name(),
                  to_string(attempt.outcome), attempt.reason.empty() ? "" : ": ", attempt.reason);
  out += fmt::format("The same again, with the same build of the kernel:\n\n  {}\n\n",
                     rig_command(cell, record));
  out += "What it was:\n\n";
  add(out, "kernel",
      fmt::format("{} ({} {})", or_unknown(record.kernel_release),
                  or_unknown(record.kernel_package), record.kernel_version));
  add(out, "cmdline", or_unknown(record.cmdline));
  add(out, "guest", describe_guest(cell.scenario->guest));
  if (!cell.variant.module.empty()) add(out, "module", cell.variant.module.string());
  if (const auto& stress = cell.scenario->stress) {
    add(out, "stress", stress_command(*stress, stress->program.string()));
  }
  add(out, "timeouts",
      fmt::format("boot {} ms, crash {} ms", cell.scenario->timeouts.boot.count(),
                  cell.scenario->timeouts.crash.count()));
  add(out, "machine",
      fmt::format("{}, {}", or_unknown(attempt.backend_version), or_unknown(attempt.accelerator)));
  out += fmt::format("\nThe machine by itself:\n\n  {}\n", or_unknown(attempt.command_line));
  const std::string commands = guest_commands(cell);
  if (!commands.empty()) out += fmt::format("\nThen, in the guest:\n\n{}", commands);
  if (!attempt.core.empty())
    out += fmt::format("\nThe core:\n\n  crashrig analyze {}\n",
                       fs::path(attempt.core).filename().string());
  return out;
}

}  // namespace rig::store
