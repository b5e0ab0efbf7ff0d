// SPDX-License-Identifier: Apache-2.0
// Parameters that switch off something of the machine: there must be such a thing, or the parameter
// has done nothing.
#include "base/text.h"
#include "cmdline/kernel_log.h"
#include "cmdline/row.h"

namespace rig::cmdline {
namespace {

// --- CPU --------------------------------------------------------------------------------------

// Words of the first "flags" line of /proc/cpuinfo.
bool has_cpu_flag(std::string_view flag, Evidence& evidence) {
  const auto cpuinfo = evidence.file("/proc/cpuinfo");
  if (!cpuinfo) return false;
  for (const std::string& line : split(*cpuinfo, '\n')) {
    if (!line.starts_with("flags")) continue;
    return (line + " ").find(fmt::format(" {} ", flag)) != std::string::npos;
  }
  return false;
}

// CPUID.1:ECX bit 21. nox2apic clears the flag (setup_nox2apic() in arch/x86/kernel/apic/apic.c).
Answer check_nox2apic(const Parameter&, Evidence& evidence) {
  constexpr std::uint32_t kX2apic = 1u << 21;
  if (const auto line = find_line(evidence.log(), "x2apic enabled")) {
    return ineffective(log_says(*line));
  }
  if (has_cpu_flag("x2apic", evidence)) return ineffective("/proc/cpuinfo has the flag x2apic");
  const auto leaf = evidence.cpuid(1);
  if (!leaf)
    return not_checkable("/proc/cpuinfo has no flag x2apic; what the CPU has is not known");
  if (((*leaf)[2] & kX2apic) == 0) {
    return ineffective("the CPU has no x2APIC to switch off (CPUID.1:ECX bit 21 is 0)");
  }
  return effective("the CPU has x2APIC (CPUID.1:ECX bit 21), /proc/cpuinfo has no flag x2apic");
}

// KVM's leaves: "KVMKVMKVM" at 0x40000000, its features behind
// (arch/x86/include/uapi/asm/kvm_para.h).
bool is_kvm(Evidence& evidence) {
  const auto leaf = evidence.cpuid(0x40000000);
  return leaf && (*leaf)[1] == 0x4b4d564b && (*leaf)[2] == 0x564b4d56 && (*leaf)[3] == 0x4d;
}

// A kernel that takes KVM's async page faults has set up their interrupt, which /proc/interrupts
// then shows as HYP (kvm_guest_init() in arch/x86/kernel/kvm.c, since b1d405751cd5, v5.9).
Answer check_no_kvmapf(const Parameter&, Evidence& evidence) {
  constexpr std::uint32_t kAsyncFaults = 1u << 4 | 1u << 14;
  if (!is_kvm(evidence)) {
    return ineffective(
        "the guest runs without KVM (CPUID 0x40000000): there are no async page "
        "faults to switch off");
  }
  const auto features = evidence.cpuid(0x40000001);
  if (!features || ((*features)[0] & kAsyncFaults) == 0) {
    return ineffective("this KVM offers no async page faults (CPUID 0x40000001)");
  }
  const auto interrupts = evidence.file("/proc/interrupts");
  if (!interrupts) return not_checkable("there is no /proc/interrupts");
  if (interrupts->find("HYP:") != std::string::npos) {
    return ineffective("/proc/interrupts has a line HYP: async page faults are taken");
  }
  return effective(
      "KVM offers async page faults (CPUID 0x40000001), /proc/interrupts has no line "
      "HYP");
}

// "0-3,5" -> 5
std::optional<std::size_t> count_cpus(std::string_view list) {
  std::size_t count = 0;
  for (const std::string& range : split(trim(list), ',')) {
    const std::size_t dash = range.find('-');
    const auto first = parse_u64(std::string_view(range).substr(0, dash));
    const auto last =
        dash == std::string::npos ? first : parse_u64(std::string_view(range).substr(dash + 1));
    if (!first || !last || *last < *first || *last > 1 << 16) return std::nullopt;
    count += *last - *first + 1;
  }
  return count;
}

// maxcpus limits those that are online, nr_cpus those that can be.
Answer check_cpus(const Parameter& parameter, Evidence& evidence) {
  const std::string path = fmt::format("/sys/devices/system/cpu/{}",
                                       parameter.name == "nr_cpus" ? "possible" : "online");
  const auto shown = evidence.file(path);
  const auto count = shown ? count_cpus(*shown) : std::nullopt;
  if (!count) return not_checkable(fmt::format("{} does not tell", path));
  const auto wanted = parameter.name == "nosmp" ? std::optional<std::uint64_t>(1)
                                                : parse_u64(parameter.value_or_empty());
  if (!wanted) return ineffective("it is no number");
  const std::string how = fmt::format("{} is {}", path, printable(trim(*shown)));
  // maxcpus=0 is nosmp.
  return *count <= std::max<std::uint64_t>(*wanted, 1) ? effective(how) : ineffective(how);
}

// The driver must be there and not be the one that idles.
Answer check_intel_idle(const Parameter& parameter, Evidence& evidence) {
  Answer answer = check_file("/sys/module/intel_idle/parameters/max_cstate",
                             parameter.value_or_empty(), evidence);
  if (answer.state != State::kEffective || parse_integer(parameter.value_or_empty()) != 0) {
    return answer;
  }
  const std::string path = "/sys/devices/system/cpu/cpuidle/current_driver";
  const auto driver = evidence.file(path);
  if (!driver) return answer;
  answer.how += fmt::format("; {} is {}", path, printable(trim(*driver)));
  if (trim(*driver) == "intel_idle") answer.state = State::kIneffective;
  return answer;
}

// --- Interrupt remapping
// --------------------------------------------------------------------------

// Flags of the ACPI table DMAR, at 37 (struct acpi_table_dmar in include/acpi/actbl1.h).
constexpr std::size_t kDmarFlags = 37;
constexpr unsigned kDmarRemaps = 1;  // interrupts can be remapped
constexpr unsigned kDmarOptOut = 2;  // firmware asks not to use x2APIC

struct Remapper {
  std::optional<unsigned> dmar;  // its flags
  bool amd = false;
  std::optional<std::string> enabled;  // the log's line

  bool is_there() const { return amd || (dmar && (*dmar & kDmarRemaps) != 0); }
  std::string describe() const {
    if (amd) return "the machine has an AMD IOMMU (ACPI table IVRS)";
    if (!dmar) return "the machine has no IOMMU (no ACPI table DMAR or IVRS)";
    return fmt::format("the machine has an Intel IOMMU (ACPI table DMAR, flags {:#x})", *dmar);
  }
};

Remapper find_remapper(Evidence& evidence) {
  Remapper found;
  const auto table = evidence.file("/sys/firmware/acpi/tables/DMAR");
  if (table && table->size() > kDmarFlags) {
    found.dmar = static_cast<unsigned char>((*table)[kDmarFlags]);
  }
  found.amd = evidence.file("/sys/firmware/acpi/tables/IVRS").has_value();
  found.enabled = find_line(evidence.log(), "Enabled IRQ remapping in ");
  if (!found.enabled) found.enabled = find_line(evidence.log(), "Interrupt remapping enabled");
  return found;
}

Answer no_remapper(const Remapper& found) {
  return ineffective(
      fmt::format("{}: no interrupts are remapped, with or without it", found.describe()));
}

Answer check_remapping_off(const Parameter&, Evidence& evidence) {
  const Remapper found = find_remapper(evidence);
  if (found.enabled) return ineffective(log_says(*found.enabled));
  if (!found.is_there()) return no_remapper(found);
  return effective(fmt::format("{}, the log has no 'Enabled IRQ remapping'", found.describe()));
}

Answer check_remapping_on(Evidence& evidence) {
  const Remapper found = find_remapper(evidence);
  if (found.enabled) return effective(log_says(*found.enabled));
  return found.is_there() ? ineffective(fmt::format(
                                "{}, but the log has no 'Enabled IRQ remapping'", found.describe()))
                          : no_remapper(found);
}

// Overrides firmware that asks not to use x2APIC (dmar_x2apic_optout() in
// drivers/iommu/intel/irq_remapping.c).
Answer check_no_optout(Evidence& evidence) {
  const Remapper found = find_remapper(evidence);
  if (!found.enabled) return no_remapper(found);
  if (const auto line = find_line(evidence.log(), "x2apic is disabled because BIOS")) {
    return ineffective(log_says(*line));
  }
  if (found.enabled->find("x2apic mode") != std::string::npos) {
    return effective(log_says(*found.enabled));
  }
  if (found.dmar && (*found.dmar & kDmarOptOut) == 0) {
    return ineffective(fmt::format(
        "{}: it does not opt out of x2APIC, there is nothing to override", found.describe()));
  }
  return effective(
      fmt::format("{}; the log has no 'x2apic is disabled because BIOS sets x2apic opt "
                  "out bit'",
                  found.describe()));
}

// intremap=off,…: setup_irqremap() in drivers/iommu/irq_remapping.c.
Answer check_intremap(const Parameter& parameter, Evidence& evidence) {
  Answer all{State::kEffective, {}};
  for (const std::string& option : split(parameter.value_or_empty(), ',')) {
    Answer answer = option == "off"                ? check_remapping_off(parameter, evidence)
                    : option == "on"               ? check_remapping_on(evidence)
                    : option == "no_x2apic_optout" ? check_no_optout(evidence)
                    : option == "nosid" || option == "nopost"
                        ? not_checkable(fmt::format("{} shows nowhere", option))
                        : ineffective("intremap knows on, off, nosid, no_x2apic_optout, nopost");
    if (answer.state == State::kIneffective) return answer;
    if (answer.state == State::kNotCheckable) all.state = State::kNotCheckable;
    all.how += (all.how.empty() ? "" : "; ") + answer.how;
  }
  return all;
}

constexpr Row kMachineRows[] = {
    {.name = "intel_idle.max_cstate", .check = check_intel_idle},
    {.name = "intremap", .check = check_intremap, .adds_up = true},
    {.name = "maxcpus", .check = check_cpus},
    {.name = "no-kvmapf", .check = check_no_kvmapf},
    {.name = "nointremap", .check = check_remapping_off},
    {.name = "nosmp", .check = check_cpus},
    {.name = "nox2apic", .check = check_nox2apic},
    {.name = "nr_cpus", .check = check_cpus},
};

}  // namespace

std::span<const Row> machine_rows() {
  return kMachineRows;
}

}  // namespace rig::cmdline
