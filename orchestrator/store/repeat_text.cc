// SPDX-License-Identifier: Apache-2.0
#include "store/repeat_text.h"

#include <algorithm>

#include "base/process.h"
#include "scenario/kernel_spec.h"

namespace rig::store {

std::string pinned_kernel(const std::string& kernel, const std::string& release) {
  const std::string base = scenario::parse_kernel_reference(kernel).name;
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
    text += disk.image.empty() ? fmt::format(", disk of {} bytes{}{}", disk.bytes,
                                             disk.format.empty() ? "" : ", ", disk.format)
                               : fmt::format(", disk {}", disk.image.string());
  }
  return text;
}

std::string stress_command(const scenario::Cell& cell, const std::string& program) {
  std::string text = program;
  for (const std::string& argument : cell.load_arguments()) text += " " + shell_quote(argument);
  return text;
}

std::string rig_command(const scenario::Cell& cell, const CellRecord& record,
                        const Attempt& attempt) {
  std::vector<std::string> args = {"run",        cell.scenario->file.string(),
                                   "--arch",     std::string(to_string(cell.arch)),
                                   "--kernel",   pinned_kernel(cell.kernel, record.kernel_release),
                                   "--detector", cell.detector.name,
                                   "--variant",  cell.variant.name,
                                   "--repeat",   "1",
                                   "--keep-core"};
  const auto add_option = [&](const char* option, const std::string& value) {
    if (!value.empty()) args.insert(args.end(), {option, value});
  };
  add_option("--accel", attempt.accelerator);
  add_option("--format", attempt.core_format);
  return Command{"crashrig", std::move(args), {}, {}}.to_shell();
}

std::string describe_module(const scenario::Cell& cell, const CellRecord& record) {
  const std::string file = record.module_file.empty() ? "" : record.module_file + ", built from ";
  const std::string hash =
      record.module_sha256.empty() ? "" : fmt::format("; SHA-256 {}", record.module_sha256);
  return file + cell.variant.module.text() + hash;
}

// Each file that the guest gets, up to a number of them.
std::string describe_files(const std::vector<scenario::GuestFile>& files) {
  constexpr std::size_t kShown = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(files.size(), kShown); ++i) {
    text += fmt::format("  {} is sent as {}\n", files[i].from.string(), files[i].to);
  }
  if (files.size() > kShown) text += fmt::format("  and {} more files\n", files.size() - kShown);
  return text;
}

// What the rig has the agent do: the guest has no shell to type it into.
std::string guest_steps(const scenario::Cell& cell, const CellRecord& record,
                        const Attempt& attempt) {
  std::string out = describe_files(cell.scenario->guest.files);
  if (!cell.variant.module.empty()) {
    const std::string params = cell.variant.param_text();
    const scenario::Module& module = cell.variant.module;
    const std::string name =
        module.in_tree.empty() ? module.folder.filename().string() : module.name;
    const std::string file = record.module_file.empty() ? name + ".ko" : record.module_file;
    out += fmt::format("  the module {} is sent and loaded with {}\n", file,
                       params.empty() ? "no parameters" : "the parameters " + params);
  }
  if (const auto& stress = cell.scenario->stress) {
    out += fmt::format("  the load is sent and started: {}\n",
                       stress_command(cell, stress->programs.at(cell.arch).filename().string()));
  }
  if (const auto names = cell.stop_at(); !names.empty()) {
    out += fmt::format(
        "  breakpoints are set on {} right after boot, and the core is taken where the first of\n"
        "  them is hit; by hand: gdb -ex 'target remote debugger.sock' -ex 'hbreak *ADDRESS',\n"
        "  with the guest's own addresses ({})\n",
        fmt::join(names, ", "),
        attempt.stopped
            ? fmt::format("{} was at {:#x}", attempt.stopped->function, attempt.stopped->address)
            : "/proc/kallsyms");
  }
  return out;
}

}  // namespace

std::string repeat_text(const scenario::Cell& cell, const CellRecord& record, unsigned number,
                        const Attempt& attempt, const std::string& scenario_copy) {
  std::string out =
      fmt::format("Attempt {} of {} ended as {}{}{}\n\n", number, cell.name(),
                  to_string(attempt.outcome), attempt.reason.empty() ? "" : ": ", attempt.reason);
  out += fmt::format("The same again, with the same build of the kernel:\n\n  {}\n\n",
                     rig_command(cell, record, attempt));
  out += "What it was:\n\n";
  add(out, "scenario",
      fmt::format("{}{}", cell.scenario->file.string(),
                  scenario_copy.empty() ? "" : fmt::format("; as it was then: {}", scenario_copy)));
  add(out, "kernel",
      fmt::format("{} ({} {})", or_unknown(record.kernel_release),
                  or_unknown(record.kernel_package), record.kernel_version));
  add(out, "boot", or_unknown(record.boot));
  add(out, "cmdline", or_unknown(record.cmdline));
  add(out, "guest", describe_guest(cell.scenario->guest));
  if (!cell.variant.module.empty()) add(out, "module", describe_module(cell, record));
  if (const auto& stress = cell.scenario->stress) {
    add(out, "stress", stress_command(cell, stress->programs.at(cell.arch).string()));
  }
  add(out, "timeouts",
      fmt::format("boot {} ms, crash {} ms", cell.scenario->timeouts.boot.count(),
                  cell.scenario->timeouts.crash.count()));
  add(out, "machine",
      fmt::format("{}, {}", or_unknown(attempt.backend_version), or_unknown(attempt.accelerator)));
  out += fmt::format("\nThe machine by itself:\n\n  {}\n", or_unknown(attempt.command_line));
  const std::string steps = guest_steps(cell, record, attempt);
  if (!steps.empty()) {
    out += fmt::format(
        "\nBy itself it boots and waits: its initramfs holds the rig's agent alone, no shell and "
        "no\n"
        "insmod. What follows is the rig's doing, over the agent's serial port "
        "(guest/protocol.h):\n\n"
        "{}",
        steps);
  }
  if (!attempt.core.empty())
    out += fmt::format("\nThe core:\n\n  crashrig analyze {}\n",
                       fs::path(attempt.core).filename().string());
  return out;
}

}  // namespace rig::store
