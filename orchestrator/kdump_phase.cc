// SPDX-License-Identifier: Apache-2.0
#include "kdump_phase.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <vector>

#include "base/arch.h"
#include "base/file_ranges.h"
#include "base/text.h"
#include "crash/pace.h"
#include "guest/protocol.h"
#include "kdump/arm64_crash_image.h"
#include "kdump/save_vmcore.h"

namespace rig {
namespace {

constexpr std::string_view kReservation = "crashkernel=";
constexpr std::string_view kReservedPath = "/sys/kernel/kexec_crash_size";
constexpr std::size_t kImageHead = 64;  // bytes of an Image's header
constexpr auto kKdumpLook = std::chrono::milliseconds(500);
constexpr int kBeatsOfALivingKernel = 2;  // one may have been on its way when the kernel crashed

Status load_file(vm::Vm& machine, const KdumpPlan& plan, Deadline deadline);
Status load_segments(vm::Vm& machine, const KdumpPlan& plan, Deadline deadline);

struct CrashArch {
  Arch arch;
  std::string_view memory;      // that Debian's kernel with our initramfs needs
  std::string_view parameters;  // of its command line
  Status (*load)(vm::Vm&, const KdumpPlan&, Deadline);
};
// One CPU: starting others from a crashed kernel's is what capture kernels fail at.
constexpr CrashArch kCrashArchs[] = {
    {Arch::kX86_64, "128M", "nr_cpus=1 reset_devices no_timer_check", load_file},
    {Arch::kArm64, "160M", "nr_cpus=1 reset_devices", load_segments},
};

const CrashArch& crash_arch(Arch arch) {
  return *std::find_if(std::begin(kCrashArchs), std::end(kCrashArchs),
                       [&](const CrashArch& each) { return each.arch == arch; });
}

// All that it takes to speak with the host.
std::vector<std::string> capture_drivers() {
  return {"virtio_pci", "virtio_console"};
}

Status load_file(vm::Vm& machine, const KdumpPlan& plan, Deadline deadline) {
  return machine.load_crash_kernel({.kernel = guest::kCrashKernelPath,
                                    .initramfs = guest::kCrashInitramfsPath,
                                    .cmdline = plan.cmdline},
                                   deadline);
}

Result<kdump::CrashFacts> crash_facts(vm::Vm& machine, unsigned cpus, Deadline deadline) {
  kdump::CrashFacts facts;
  RIG_ASSIGN(facts.iomem, machine.get_file("/proc/iomem", deadline));
  RIG_ASSIGN(facts.tree, machine.get_file("/sys/firmware/fdt", deadline));
  RIG_ASSIGN(facts.vmcoreinfo, machine.get_file("/sys/kernel/vmcoreinfo", deadline));
  for (unsigned cpu = 0; cpu < cpus; ++cpu) {
    const std::string folder = fmt::format("/sys/devices/system/cpu/cpu{}/", cpu);
    RIG_ASSIGN(std::string notes, machine.get_file(folder + "crash_notes", deadline));
    RIG_ASSIGN(std::string size, machine.get_file(folder + "crash_notes_size", deadline));
    facts.cpus.push_back({std::move(notes), std::move(size)});
  }
  return facts;
}

// Debian's arm64 kernels have no kexec_file_load(2).
Status load_segments(vm::Vm& machine, const KdumpPlan& plan, Deadline deadline) {
  RIG_ASSIGN(const kdump::CrashFacts facts, crash_facts(machine, plan.cpus, deadline));
  RIG_ASSIGN(const MappedFile kernel, MappedFile::open(plan.kernel));
  RIG_ASSIGN(const MappedFile initramfs, MappedFile::open(plan.initramfs));
  RIG_ASSIGN(const kdump::CrashImage image,
             kdump::arm64_crash_image(
                 facts, {.kernel_head = std::string(as_text(kernel.bytes()).substr(0, kImageHead)),
                         .kernel_bytes = kernel.bytes().size(),
                         .initramfs_bytes = initramfs.bytes().size(),
                         .cmdline = plan.cmdline}));
  vm::CrashSegments segments{.entry = image.entry, .segments = {}};
  segments.segments.push_back(
      {guest::kCrashKernelPath, {}, image.kernel.address, image.kernel.size});
  segments.segments.push_back(
      {guest::kCrashInitramfsPath, {}, image.initramfs.address, image.initramfs.size});
  for (const kdump::CrashImage::Blob& blob : image.blobs) {
    segments.segments.push_back({{}, blob.bytes, blob.place.address, blob.place.size});
  }
  return machine.load_crash_segments(segments, deadline);
}

bool reserves_memory(std::string_view parameter) {
  return parameter.starts_with(kReservation);
}

std::string said_last(std::string_view line) {
  return line.empty() ? "its console said nothing" : fmt::format("its last line: {}", line);
}

}  // namespace

Result<KdumpPlan> plan_kdump(const scenario::Cell& cell, const image::Kernel& kernel,
                             const CaptureKernelParts& parts, image::InitramfsSpec& initramfs) {
  image::InitramfsSpec own{parts.agent, capture_drivers()};
  RIG_ASSIGN(const fs::path archive, image::build_initramfs(kernel, own));
  initramfs.files.push_back({kernel.vmlinuz, guest::kCrashKernelPath});
  initramfs.files.push_back({archive, guest::kCrashInitramfsPath});
  KdumpPlan plan;
  plan.arch = cell.arch;
  plan.level = cell.dump_level();
  plan.both = cell.capture() == scenario::Capture::kBoth;
  plan.kernel = kernel.vmlinuz;
  plan.initramfs = archive;
  plan.cpus = cell.scenario->guest.cpus;
  plan.cmdline = fmt::format("console={} {} cryptomgr.notests=1 {}", parts.console, parts.panic,
                             crash_arch(cell.arch).parameters);
  return plan;
}

std::string crash_reservation(const scenario::Cell& cell) {
  const auto own = cell.cmdline();
  if (std::any_of(own.begin(), own.end(), reserves_memory)) return {};
  return fmt::format("{}{} ", kReservation, crash_arch(cell.arch).memory);
}

Status load_capture_kernel(vm::Vm& machine, const KdumpPlan& plan) {
  const Deadline deadline = Deadline::after(kInjectTime);
  auto reserved = machine.get_file(kReservedPath, deadline);
  if (!reserved && reserved.error().blame != Blame::kKernel) {
    return tl::unexpected(std::move(reserved).error());
  }
  if (!reserved) {
    return fail_hint(Blame::kRig,
                     "a kernel with CONFIG_KEXEC and CONFIG_CRASH_DUMP, or capture: qmp",
                     "the guest's kernel cannot load a capture kernel: {}", reserved.error().what);
  }
  if (trim(*reserved) == "0") {
    return fail_hint(Blame::kRig, "more guest.memory, or another crashkernel= in the cmdline",
                     "the guest's kernel reserved no memory for a capture kernel (console.log has "
                     "its reason)");
  }
  const Status status = crash_arch(plan.arch).load(machine, plan, deadline);
  if (status || status.error().blame != Blame::kKernel) return status;
  return fail_hint(Blame::kRig, "EADDRNOTAVAIL (99) is too small a crashkernel=; or capture: qmp",
                   "the guest's kernel takes no capture kernel: {}", status.error().what);
}

std::vector<std::string> differences(const analyzer::Findings& machines,
                                     const analyzer::Findings& kdumps) {
  std::vector<std::string> lines;
  const auto add_missing = [&](std::string_view whose, const auto& from, const auto& other) {
    for (const analyzer::Finding& each : from.findings) {
      const bool there = std::any_of(
          other.findings.begin(), other.findings.end(), [&](const analyzer::Finding& finding) {
            return finding.kind == each.kind && finding.summary == each.summary;
          });
      if (!there) lines.push_back(fmt::format("only {}: {}: {}", whose, each.kind, each.summary));
    }
  };
  add_missing("the machine's", machines, kdumps);
  add_missing("kdump's", kdumps, machines);
  return lines;
}

Result<AwaitedCapture> await_capture_kernel(vm::Vm& machine, Clock::duration limit,
                                            const std::function<Status(const vm::Event&)>& take) {
  crash::BootWatch watch(Clock::now(), limit);
  std::string last_line;
  int beats = 0;
  while (true) {
    RIG_ASSIGN(const auto guest, machine.wait_for_agent(Deadline::after({})));
    if (guest && guest->capture) return AwaitedCapture{CaptureKernel::kUp};
    if (watch.at(Clock::now()) != crash::BootWatch::State::kWaiting) {
      return AwaitedCapture{CaptureKernel::kLost, said_last(last_line)};
    }
    RIG_ASSIGN(const auto event, machine.next_event(Deadline::after(kKdumpLook)));
    if (!event) continue;
    RIG_TRY(take(*event));
    switch (event->kind) {
      case vm::EventKind::kConsoleLine:
        watch.moved(event->when);
        if (!trim(event->text).empty()) last_line = printable(event->text);
        break;
      case vm::EventKind::kHeartbeat:
        if (++beats == kBeatsOfALivingKernel) return AwaitedCapture{CaptureKernel::kNotRun};
        break;
      case vm::EventKind::kPanicked:
      case vm::EventKind::kReset:
      case vm::EventKind::kStopped:
      case vm::EventKind::kPoweredOff:
      case vm::EventKind::kWatchdog:
      case vm::EventKind::kBackendExited:
        return AwaitedCapture{CaptureKernel::kLost,
                              fmt::format("{}; {}", event->text, said_last(last_line))};
      default:
        break;
    }
  }
}

Result<fs::path> save_kdump(vm::Vm& machine, const fs::path& folder, unsigned level,
                            const ProgressSink& progress, Deadline deadline) {
  const RangeReader read = [&](std::span<const FileRange> ranges, const ExtentSink& sink) {
    return machine.read_ranges(guest::kVmcorePath, ranges, sink, deadline);
  };
  const fs::path path = folder / "vmcore";
  auto saved = kdump::save_vmcore(read, path, level, progress);
  if (saved) return path;
  Error error = std::move(saved).error();
  if (error.blame != Blame::kCancelled) error.blame = Blame::kRig;
  return wrap("kdump", std::move(error));
}

}  // namespace rig
