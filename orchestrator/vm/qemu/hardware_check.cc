// SPDX-License-Identifier: Apache-2.0
#include "vm/qemu/hardware_check.h"

#include <algorithm>

#include "base/process.h"
#include "base/text.h"
#include "vm/child.h"
#include "vm/qemu/command_line.h"
#include "vm/qemu/disk_file.h"
#include "vm/qmp.h"

namespace rig::vm::qemu {
namespace {

using Texts = std::vector<std::string>;

constexpr std::chrono::seconds kTrialTime{30};  // 0.15 s on an idle machine
constexpr std::chrono::seconds kProbeQuitTime{5};
constexpr unsigned kPlainCpus = 8;  // any QEMU's machine has them

// Options of -machine that QEMU hands on to its accelerator (softmmu/vl.c).
constexpr const char* kAcceleratorOptions[] = {"kernel-irqchip", "kvm-shadow-mem"};

bool contains(const Texts& all, std::string_view name) {
  return std::find(all.begin(), all.end(), name) != all.end();
}

std::string dashes(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

// "; did you mean" for lists that are too long to be told whole.
std::string near(std::string_view name, const Texts& valid) {
  const auto found = nearest(name, valid);
  return found ? fmt::format(", did you mean '{}'?", *found) : "";
}

// Parts of a key=value list as QEMU splits it: a doubled comma is one of the value.
Texts parts_of(std::string_view list) {
  Texts parts(1);
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i] != ',') {
      parts.back() += list[i];
    } else if (i + 1 < list.size() && list[i + 1] == ',') {
      parts.back() += list[i++];
    } else {
      parts.emplace_back();
    }
  }
  return parts;
}

class NameCheck {
 public:
  NameCheck(const VmConfig& config, std::string_view accelerator, CapabilitySource& source)
      : config_(config), accelerator_(accelerator), source_(source) {}

  Status cpu(const std::string& option);
  Status machine();
  Status device(const std::string& option);

 private:
  template <class... Args>
  tl::unexpected<Error> refuse(fmt::format_string<Args...> format, Args&&... args) const {
    const Capabilities& known = source_.known();
    return fail_hint(Blame::kInput, fmt::format("asked of {} {}", known.binary, known.version),
                     "{}", fmt::format(format, std::forward<Args>(args)...));
  }
  Status cpu_flag(const std::string& model, const std::string& type, const std::string& flag);

  const VmConfig& config_;
  std::string_view accelerator_;
  CapabilitySource& source_;
};

// "max,+x2apic,-pmu,pauth-impdef=on". Signs are x86's: the others know only name=value
// (x86_cpu_parse_featurestr in target/i386/cpu.c, cpu_common_parse_features in
// hw/core/cpu-common.c).
Status NameCheck::cpu(const std::string& option) {
  const Texts parts = parts_of(option);
  const Capabilities& known = source_.known();
  const auto type = known.cpus.find(parts[0]);
  if (type == known.cpus.end()) {
    Texts models;
    for (const auto& [name, ignored] : known.cpus) models.push_back(name);
    return refuse("no CPU model '{}' for {}{}", parts[0], to_string(config_.arch),
                  near(parts[0], models));
  }
  for (std::size_t i = 1; i < parts.size(); ++i) {
    RIG_TRY(cpu_flag(parts[0], type->second, parts[i]));
  }
  return {};
}

Status NameCheck::cpu_flag(const std::string& model, const std::string& type,
                           const std::string& flag) {
  const auto equals = flag.find('=');
  const bool is_signed = flag.starts_with('+') || flag.starts_with('-');
  const std::string name = is_signed ? flag.substr(1) : flag.substr(0, equals);
  if (config_.arch != Arch::kX86_64 && equals == std::string::npos) {
    return refuse("CPU flag '{}': on {} it is written as {}=on or {}=off", flag,
                  to_string(config_.arch), name, name);
  }
  RIG_ASSIGN(const auto properties, source_.properties(type));
  if (!properties) return {};  // the trial start will tell
  if (!contains(*properties, name) && !contains(*properties, dashes(name))) {
    return refuse("CPU model '{}' has no flag '{}'{}", model, name, near(name, *properties));
  }
  const bool turns_on =
      flag.starts_with('+') ||
      (!is_signed && (equals == std::string::npos || flag.substr(equals) == "=on"));
  if (turns_on && contains(source_.known().absent_features, dashes(name))) {
    return refuse("CPU flag '{}' cannot be had under {}: the guest would be without it", name,
                  accelerator_);
  }
  return {};
}

Status NameCheck::machine() {
  const Capabilities& known = source_.known();
  if (known.max_cpus != 0 && config_.cpus > known.max_cpus) {
    return refuse("the machine {} has at most {} CPUs, the scenario asks for {}", known.machine,
                  known.max_cpus, config_.cpus);
  }
  Texts valid = known.machine_options;
  valid.insert(valid.end(), std::begin(kAcceleratorOptions), std::end(kAcceleratorOptions));
  for (const auto& [name, value] : config_.hardware.machine) {
    if (contains(valid, name) || contains(valid, dashes(name))) continue;
    return refuse("the machine {} has no option '{}'{}", known.machine, name, near(name, valid));
  }
  return {};
}

Status NameCheck::device(const std::string& option) {
  const Texts parts = parts_of(option);
  const Texts& devices = source_.known().devices;
  std::string type = parts[0];
  // QEMU's aliases: "virtio-rng" is the one on PCI (softmmu/qdev-monitor.c).
  if (!contains(devices, type) && contains(devices, type + "-pci")) type += "-pci";
  if (!contains(devices, type)) {
    return refuse("no device '{}' for {}{}", parts[0], to_string(config_.arch),
                  near(parts[0], devices));
  }
  RIG_ASSIGN(const auto properties, source_.properties(type));
  if (!properties) return {};
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const std::string name = parts[i].substr(0, parts[i].find('='));
    if (name == "id" || name == "bus" || contains(*properties, name)) continue;
    return refuse("the device '{}' has no property '{}'{}", parts[0], name,
                  near(name, *properties));
  }
  return {};
}

}  // namespace

Status check_names(const VmConfig& config, std::string_view accelerator, CapabilitySource& source) {
  NameCheck check(config, accelerator, source);
  if (!config.hardware.cpu.empty()) RIG_TRY(check.cpu(config.hardware.cpu));
  RIG_TRY(check.machine());
  for (const std::string& device : config.hardware.devices) RIG_TRY(check.device(device));
  return {};
}

HostMemory host_memory() {
  HostMemory host;
  if (const auto text = read_file("/proc/meminfo")) {
    for (const std::string& line : split(*text, '\n')) {  // "MemTotal:   24598120 kB"
      const auto colon = line.find(':');
      if (colon == std::string::npos) continue;
      const std::string_view rest = trim(std::string_view(line).substr(colon + 1));
      const std::uint64_t bytes = parse_u64(rest.substr(0, rest.find(' '))).value_or(0) << 10;
      const std::string_view key = std::string_view(line).substr(0, colon);
      if (key == "MemTotal" || key == "SwapTotal") host.total += bytes;
      if (key == "MemAvailable") host.available = bytes;
    }
  }
  if (const auto mode = read_file("/proc/sys/vm/overcommit_memory")) {
    host.overcommits = trim(*mode) == "1";
  }
  return host;
}

// The kernel refuses one mapping that is larger than all memory and swap (__vm_enough_memory in
// mm/util.c). Below that only what the guest touches is taken.
Result<std::optional<std::string>> check_memory(std::uint64_t bytes, const HostMemory& host) {
  if (host.total != 0 && bytes > host.total && !host.overcommits) {
    return fail_hint(Blame::kInput, "lower guest.memory, or add swap",
                     "a guest with {} of memory does not fit this host, which has {} with swap",
                     human_bytes(bytes), human_bytes(host.total));
  }
  if (host.available == 0 || bytes <= host.available) return std::nullopt;
  return fmt::format(
      "the guest's memory of {} is more than the {} that the host has free: it will "
      "swap, or be killed, if the guest touches all of it",
      human_bytes(bytes), human_bytes(host.available));
}

namespace {

bool is_of_accelerator(std::string name) {
  name = dashes(std::move(name));
  return std::find(std::begin(kAcceleratorOptions), std::end(kAcceleratorOptions), name) !=
         std::end(kAcceleratorOptions);
}

// Is there anything that QEMU may refuse, or is this the rig's own machine?
bool is_plain(const VmConfig& config) {
  const auto is_empty = [](const scenario::Disk& disk) { return disk.image.empty(); };
  const scenario::Hardware& hardware = config.hardware;
  return hardware.cpu.empty() && hardware.machine.empty() && hardware.devices.empty() &&
         config.network == scenario::Network::kNone &&
         std::all_of(config.disks.begin(), config.disks.end(), is_empty);
}

// QEMU reports with its own name before it: "qemu-system-x86_64: -device edu,x=y: ...".
Texts said(const std::string& output, std::string_view binary) {
  Texts lines;
  for (const std::string& line : split(trim(output), '\n')) {
    std::string text = printable(line);
    const std::string prefix = fmt::format("{}: ", binary);
    if (const auto at = text.find(prefix); at != std::string::npos) {
      text.erase(0, at + prefix.size());
    }
    // Each CPU says the same of itself.
    if (!text.empty() && !contains(lines, text)) lines.push_back(std::move(text));
  }
  return lines;
}

// Starts the machine and ends it before its first instruction.
Result<Texts> try_start(const VmConfig& config, const Machine& machine, const fs::path& program,
                        std::string_view accelerator) {
  RIG_ASSIGN(Loop loop, Loop::create());
  RIG_ASSIGN(auto monitor, socket_pair());
  Wiring wiring{.kernel = {},
                .monitor = fmt::format("socket,id=monitor,fd={}", monitor.second.get()),
                .console = "null,id=console",
                .agent = "null,id=agent",
                .disks = {}};
  for (const scenario::Disk& disk : config.disks) {
    wiring.disks.push_back(disk.image.empty() ? "null-co://" : disk.image.string());
  }
  const Command command{.program = program.string(),
                        .args = command_line(machine, config, accelerator, wiring),
                        .directory = {},
                        .environment = {}};
  RIG_ASSIGN(const auto child, Child::start(loop, command, {monitor.second.get()}));
  monitor.second.reset();
  RIG_ASSIGN(const auto qmp, Qmp::create(loop, std::move(monitor.first), [](const QmpEvent&) {}));
  const Deadline deadline = Deadline::after(kTrialTime);
  const auto version = qmp->connect(deadline, config.stop);
  if (version) qmp->send("quit", {}, [](Qmp::Reply) {});
  loop.run_until([&] { return !child->alive(); }, deadline.sooner(Deadline::after(kProbeQuitTime)),
                 config.stop);
  const Texts lines = said(child->output(), machine.binary);
  if (version) return lines;
  if (version.error().blame == Blame::kCancelled) return tl::unexpected(version.error());
  if (child->alive()) return wrap("a trial start", version.error());
  return fail(Blame::kInput, "{} refuses this machine: {}", machine.binary,
              lines.empty() ? child->how_it_ended() : fmt::format("{}", fmt::join(lines, "; ")));
}

}  // namespace

Result<Texts> check_machine(const VmConfig& config) {
  RIG_ASSIGN(const Machine* machine, machine_for(config.arch));
  Texts notes;
  RIG_TRY(check_disk_tools(config.disks));
  RIG_ASSIGN(const auto memory, check_memory(config.memory_bytes, host_memory()));
  if (memory) notes.push_back(*memory);
  if (is_plain(config) && config.cpus <= kPlainCpus) return notes;
  RIG_ASSIGN(const fs::path program, find_program(machine->binary, machine->debian_package));
  RIG_ASSIGN(const AcceleratorHost host, this_host(*machine, program, config.stop));
  RIG_ASSIGN(const Accelerator accelerator,
             choose_accelerator(*machine, config.accelerator, host, config.stop));
  // What is remembered may be older than a module package of QEMU's: it refuses nothing alone.
  for (const bool fresh : {false, true}) {
    RIG_ASSIGN(CapabilitySource source,
               CapabilitySource::open(*machine, program, accelerator.name, host.qemu, host.cache,
                                      fresh, config.stop));
    const Status status = check_names(config, accelerator.name, source);
    if (status) break;
    if (fresh) return tl::unexpected(status.error());
  }
  for (const auto& [name, value] : config.hardware.machine) {
    if (accelerator.name == "kvm" || !is_of_accelerator(name)) continue;
    notes.push_back(fmt::format("the machine option '{}' is KVM's: under {} it has no effect", name,
                                accelerator.name));
  }
  RIG_ASSIGN(const Texts lines, try_start(config, *machine, program, accelerator.name));
  notes.insert(notes.end(), lines.begin(), lines.end());
  return notes;
}

}  // namespace rig::vm::qemu
