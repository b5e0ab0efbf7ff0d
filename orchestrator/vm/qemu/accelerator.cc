// SPDX-License-Identifier: Apache-2.0
#include "vm/qemu/accelerator.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstring>

#include "base/process.h"
#include "base/text.h"
#include "vm/qemu/probe_guest.h"

namespace rig::vm::qemu {
namespace {

constexpr std::chrono::milliseconds kProbeTime{2500};  // the guest needs 50 ms even under TCG

// What QEMU said first, short and fit for a record; empty when it said nothing.
std::string first_words(std::string_view message) {
  constexpr std::size_t kQuoted = 120;
  const std::string line = printable(split(trim(message), '\n').front());
  if (line.empty()) return {};
  return ": " + (line.size() <= kQuoted ? line : line.substr(0, kQuoted - 3) + "...");
}

// Nothing when the guest did all it should under KVM, else what it did instead. An error when there
// was no telling.
Result<std::optional<std::string>> run_probe(const Machine& machine, const fs::path& qemu,
                                             const std::stop_token& stop) {
  const ProbeGuest guest = probe_guest(machine.arch);
  RIG_ASSIGN(const TempDir folder, TempDir::create("crashrig-probe"));
  const fs::path firmware = folder.path() / "probe.rom";
  RIG_TRY(write_file_atomically(firmware, guest.firmware));
  Command command{.program = qemu.string(),
                  .args = {"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                           "-machine", std::string(machine.type), "-accel", "kvm", "-cpu",
                           std::string(machine.cpu_kvm), "-m", "16", "-bios", firmware.string()},
                  .directory = {},
                  .environment = {}};
  command.args.insert(command.args.end(), guest.devices.begin(), guest.devices.end());

  const Deadline deadline = Deadline::after(kProbeTime);
  const auto done = run(command, {.deadline = deadline, .stop = stop});
  if (!done && done.error().blame == Blame::kRig && deadline.expired()) {
    return fmt::format("a tiny guest hangs in it ({} ms)", kProbeTime.count());
  }
  if (!done) return tl::unexpected(done.error());
  if (done->exit_code == guest.exit_code) return std::nullopt;
  const std::string words = first_words(done->err);
  if (done->exit_code > 128) {
    return fmt::format("QEMU with -cpu {} died of signal {} ({}){}", machine.cpu_kvm,
                       done->exit_code - 128, ::strsignal(done->exit_code - 128), words);
  }
  return fmt::format("a tiny guest failed in it{}", words);
}

// Why KVM is out of the question, found without running anything.
std::optional<std::string> obstacle(const Machine& machine, const AcceleratorHost& host) {
  const std::string_view guest =
      machine.arch == Arch::kArm64 ? std::string_view("aarch64") : to_string(machine.arch);
  if (host.machine != guest) {
    return fmt::format("KVM on {} does not run {} guests", host.machine, to_string(machine.arch));
  }
  const UniqueFd fd(::open(host.device.c_str(), O_RDWR | O_CLOEXEC));
  if (fd) return std::nullopt;
  return fmt::format("{}: {}{}", host.device.string(), std::strerror(errno),
                     errno == EACCES ? " (join the group kvm)" : "");
}

// The remembered answer: four lines, valid while boot and QEMU are the same.
std::optional<Accelerator> recall(const fs::path& file, const AcceleratorHost& host) {
  const auto content = read_file(file, 64 << 10);
  if (!content) return std::nullopt;
  const std::vector<std::string> lines = split(*content, '\n');
  if (lines.size() < 4 || lines[0] != host.boot_id || lines[1] != host.qemu) return std::nullopt;
  if (lines[2] != "kvm" && lines[2] != "tcg") return std::nullopt;
  if (lines[2] == "kvm") return Accelerator{lines[2], lines[3]};
  // Whoever has mended KVM since must know why it is not taken.
  return Accelerator{
      lines[2], fmt::format("{}; remembered, delete {} to try again", lines[3], file.string())};
}

// Runs the probe and remembers what it proved.
Result<Accelerator> prove(const AcceleratorHost& host, const fs::path& file) {
  const auto failure = host.probe();
  if (!failure && failure.error().blame == Blame::kCancelled) {
    return tl::unexpected(failure.error());
  }
  // No answer is none to remember: the next run tries again.
  if (!failure) {
    return Accelerator{
        "tcg", printable(fmt::format("KVM could not be tried: {}", failure.error().message()))};
  }
  Accelerator proved{"kvm", "KVM ran a tiny guest"};
  if (*failure) {
    proved = {"tcg",
              printable(fmt::format("{} is there, but {}", host.device.string(), **failure))};
  }
  // Not remembering costs the next run a probe, no more.
  (void)write_file_atomically(
      file, fmt::format("{}\n{}\n{}\n{}\n", host.boot_id, host.qemu, proved.name, proved.reason));
  return proved;
}

}  // namespace

Result<AcceleratorHost> this_host(const Machine& machine, const fs::path& qemu,
                                  const std::stop_token& stop) {
  AcceleratorHost host;
  utsname names{};
  if (::uname(&names) == 0) host.machine = names.machine;
  if (const auto id = read_file("/proc/sys/kernel/random/boot_id")) host.boot_id = trim(*id);
  struct stat info {};
  if (::stat(qemu.c_str(), &info) == 0) {
    host.qemu = fmt::format("{} {} {}.{}", qemu.string(), info.st_size, info.st_mtim.tv_sec,
                            info.st_mtim.tv_nsec);
  }
  RIG_ASSIGN(host.cache, cache_dir());
  host.probe = [&machine, qemu, stop] { return run_probe(machine, qemu, stop); };
  return host;
}

Result<Accelerator> choose_accelerator(const Machine& machine, std::string_view wanted,
                                       const AcceleratorHost& host, const std::stop_token& stop) {
  if (wanted == "kvm" || wanted == "tcg") return Accelerator{std::string(wanted), "asked for"};
  if (wanted != "auto") {
    const std::string names[] = {"auto", "kvm", "tcg"};
    return fail(Blame::kInput, "unknown accelerator '{}'{}", wanted, suggest(wanted, names));
  }
  if (const auto why = obstacle(machine, host)) return Accelerator{"tcg", *why};
  const fs::path file = host.cache / fmt::format("accelerator-{}", to_string(machine.arch));
  if (auto known = recall(file, host)) return *known;

  // Several runs may start at once: one of them probes, the others wait for its answer.
  RIG_ASSIGN(const FileLock lock,
             FileLock::acquire(fs::path(file) += ".lock", Deadline::after(4 * kProbeTime), stop));
  if (auto known = recall(file, host)) return *known;
  return prove(host, file);
}

}  // namespace rig::vm::qemu
