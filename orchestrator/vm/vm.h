// SPDX-License-Identifier: Apache-2.0
// A virtual machine as the rest of the rig sees it. Nothing here says which backend runs it, nor
// that it was booted rather than cloned. One thread owns a Vm; every wait has a deadline and ends
// at once when the stop token fires (Blame::kCancelled).
//
// Faults: a backend that dies, a monitor that does not answer, an agent that breaks the protocol
// are Blame::kRig. What the guest's kernel does is an Event, never an error.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/arch.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/file.h"
#include "base/file_ranges.h"
#include "base/progress.h"
#include "scenario/guest.h"

namespace rig::vm {

// What to run. Paths must exist.
struct VmConfig {
  Arch arch = Arch::kX86_64;
  std::uint64_t memory_bytes = 512u << 20;
  unsigned cpus = 2;
  std::vector<scenario::Disk> disks;  // empty ones are temporary sparse files
  scenario::Network network = scenario::Network::kNone;
  scenario::Hardware hardware;  // beside the backend's own machine
  fs::path kernel;
  fs::path initramfs;
  std::string cmdline;
  fs::path folder;                   // console.log is written here, nothing else
  std::string accelerator = "auto";  // "auto", "kvm", "tcg"
  bool breakpoints = false;          // set_breakpoints() will be used
  // Does this line of the console begin a report? console.log keeps the first, whatever follows.
  std::function<bool(std::string_view line)> begins_report = {};
  std::string host = {};  // which one, for a backend that has several: a libvirt URI
  std::stop_token stop = {};
};

enum class EventKind {
  kConsoleLine,    // text: one line of the serial console, without its end
  kPanicked,       // the guest told so (pvpanic); it is stopped, its memory intact
  kReset,          // the guest asked for a reset and was stopped instead: a panic without pvpanic
  kStopped,        // the vCPUs stopped by themselves (follows kPanicked, kReset and kWatchdog)
  kPoweredOff,     // the guest powered off in order; the last event of the guest
  kWatchdog,       // the watchdog device fired
  kBreakpoint,     // cpu is about to execute address; all vCPUs are stopped
  kHello,          // the agent is up
  kCaptureHello,   // so is the agent of the capture kernel: the guest's kernel has crashed
  kHeartbeat,      // work: the agent's counter of work done; programs; uptime
  kProgramOutput,  // text: bytes of the running program; is_stderr
  kProgramExited,  // code: 0.. or 128 + signal
  kBackendExited,  // the VM process is gone; text says how it ended
};

struct Event {
  EventKind kind = EventKind::kConsoleLine;
  Clock::time_point when = Clock::now();
  std::string text = {};
  std::uint64_t work = 0;
  std::uint64_t programs = 0;         // that run in the guest
  std::chrono::nanoseconds uptime{};  // of the guest, where the agent gave it
  int code = 0;
  bool is_stderr = false;
  VirtAddr address{};
  unsigned cpu = 0;
};

// A function of the guest's kernel, where it is in this very guest.
struct GuestFunction {
  std::string name;  // without what the compiler adds: "slab_bug" for "slab_bug.isra.0"
  VirtAddr address{};
};

// What the agent said of its guest when it came up.
struct GuestInfo {
  std::string release;                     // uname -r
  std::string version;                     // uname -v
  std::string machine;                     // uname -m
  std::string cmdline;                     // /proc/cmdline
  std::chrono::nanoseconds boot_time{};    // since the kernel started
  std::vector<std::string> module_errors;  // drivers of the initramfs that did not load
  bool capture = false;                    // it is a capture kernel's (kdump)
};

// What a guest boots into when its kernel crashes (kdump). Paths in the guest.
struct CrashKernel {
  std::string kernel;
  std::string initramfs;
  std::string cmdline;
};

// The same, put together by the host.
struct CrashSegments {
  struct Segment {
    std::string file;   // of the guest; or
    std::string bytes;  // what to put there
    std::uint64_t address = 0, size = 0;
  };
  std::uint64_t entry = 0;
  std::vector<Segment> segments;
};

enum class DumpFormat { kKdumpZlib, kKdumpLzo, kKdumpSnappy, kElf };

// Their names on the command line and in records.
struct NamedDumpFormat {
  std::string_view name;
  DumpFormat format;
};
inline constexpr NamedDumpFormat kDumpFormats[] = {{"kdump-zlib", DumpFormat::kKdumpZlib},
                                                   {"kdump-lzo", DumpFormat::kKdumpLzo},
                                                   {"kdump-snappy", DumpFormat::kKdumpSnappy},
                                                   {"elf", DumpFormat::kElf}};
constexpr std::string_view to_string(DumpFormat format) {
  for (const NamedDumpFormat& each : kDumpFormats) {
    if (each.format == format) return each.name;
  }
  return "unknown";
}

// For the record: how to run the same machine by hand, and what it ran on.
struct VmDescription {
  std::string backend;             // "qemu"
  std::string backend_version;     // "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)"
  std::string accelerator;         // "tcg"
  std::string accelerator_reason;  // "KVM does not run a guest here: ..."
  std::string command_line;        // as one would type it
};

class Vm {
 public:
  virtual ~Vm() = default;  // ends the machine and removes its temporary files

  // The next thing that happened, in order; nothing when the deadline passes first. Past
  // kBackendExited, and some seconds after an agent broke the protocol in a guest that runs on, it
  // is an error.
  virtual Result<std::optional<Event>> next_event(Deadline deadline) = 0;

  // Waits for the agent. Events that arrive meanwhile stay queued for next_event(). Returns
  // nothing when the guest stopped, panicked or the deadline passed before the agent was up.
  virtual Result<std::optional<GuestInfo>> wait_for_agent(Deadline deadline) = 0;

  // Requests to the agent. Each returns when the guest has answered. When the guest panics or stops
  // instead, the error is Blame::kKernel and the events tell the rest; when the agent stays silent
  // in a running guest until the deadline, it is Blame::kRig; when the guest's kernel refuses (no
  // such sysctl, module does not load), it is Blame::kKernel and quotes errno.
  virtual Status write_sysctl(std::string_view name, std::string_view value, Deadline) = 0;
  virtual Status put_file(const fs::path& local, std::string_view guest_path, unsigned mode,
                          Deadline) = 0;
  virtual Result<std::string> get_file(std::string_view guest_path, Deadline) = 0;
  virtual Status load_module(std::string_view guest_path, std::string_view params, Deadline) = 0;
  // The functions of these names; those that the kernel does not have, or that the compiler has
  // inlined everywhere, are missing in the answer. A name may have several functions.
  virtual Result<std::vector<GuestFunction>> find_functions(std::span<const std::string> names,
                                                            Deadline) = 0;
  // Returns once it runs; output and exit arrive as events.
  virtual Status start_program(const std::vector<std::string>& argv, Deadline) = 0;
  // From now on a guest whose agent does not come to feed it for so long is stopped (kWatchdog).
  // Returns what the driver made of the time. No watchdog in the guest is Blame::kKernel.
  virtual Result<std::chrono::seconds> arm_watchdog(std::chrono::seconds time, Deadline) = 0;
  virtual Status power_off(Deadline) = 0;  // returns once the machine is off

  // From now on a crash leads into the capture kernel, whose agent takes over (kCaptureHello): it
  // answers all requests that follow. No event tells of the crash itself then.
  virtual Status load_crash_kernel(const CrashKernel& kernel, Deadline) = 0;
  virtual Status load_crash_segments(const CrashSegments& image, Deadline) = 0;
  // Parts of a file of the guest that is too large for get_file(), in order; pages of zeros are
  // left out.
  virtual Status read_ranges(std::string_view guest_path, std::span<const FileRange> ranges,
                             const ExtentSink& sink, Deadline) = 0;

  virtual Status stop(Deadline) = 0;    // halts the vCPUs; no event
  virtual Status resume(Deadline) = 0;  // lets them go on
  // An NMI to the guest's CPUs, or to the one that its kernel takes them on; a guest that is
  // stopped gets it when it goes on. False: this machine has none.
  virtual Result<bool> inject_nmi(Deadline) = 0;

  // Breakpoints, for all CPUs, without a trace in the guest's memory. Needs VmConfig::breakpoints.
  // The guest runs afterwards if it ran before. One that is hit stays: a guest that is resumed
  // there without its removal stops again at once. Under KVM there are few (4 on x86_64); one too
  // many is Blame::kInput.
  virtual Status set_breakpoints(std::span<const VirtAddr> addresses, Deadline) = 0;
  virtual Status remove_breakpoint(VirtAddr address, Deadline) = 0;  // of a stopped guest

  // Writes the memory of the (stopped) guest to `path` as a standard core: kdump-compressed, not
  // flattened, or ELF. Needs no more disk than the result. A full disk is Blame::kRig and says so;
  // no partial file is left.
  virtual Status dump(const fs::path& path, DumpFormat format, const ProgressSink& progress,
                      Deadline) = 0;

  virtual VmDescription describe() const = 0;
};

// The backends. To add one: derive from GuestVm (guest_vm.h) in a folder of its own, list it here,
// run tests/unit/vm's typed suite over it, describe it in docs/ARCHITECTURE.md.
struct Backend {
  std::string_view name;
  // What a kernel does after a panic, so that its memory is still there: panic=SECONDS.
  std::string_view panic_parameter;
  bool keeps_resets;  // a guest that resets itself is stopped with its memory intact
  Result<std::unique_ptr<Vm>> (*start)(const VmConfig& config);
  Result<std::string_view> (*console_device)(Arch arch);
  Result<std::vector<std::string>> (*check)(const VmConfig& config);
  Result<std::string> (*identify)(const VmConfig& config);
};
std::vector<Backend> backends();
// In all that follows `backend` is the name of one, or the URI of a libvirt host: "embed",
// "qemu:///system" (docs/LIBVIRT.md).
Result<std::unique_ptr<Vm>> start(std::string_view backend, const VmConfig& config);

// What start() would run, found without running it: the machine, its accelerator, the program and
// its build. The same text stands for the same machine.
Result<std::string> identify(std::string_view backend, const VmConfig& config);

// What a kernel calls the serial port that becomes console.log, for console=...: "ttyS0". An
// unknown backend, or an architecture that it has no machine for, is Blame::kInput and the error
// names what there is.
Result<std::string_view> console_device(std::string_view backend, Arch arch);
// Of every command line: "panic=-1".
Result<std::string_view> panic_parameter(std::string_view backend);
// Can this machine be had here? Asked before any attempt; kernel and initramfs may be missing yet.
// Blame::kInput names what the backend does not have, and the nearest that it has. Returns notes.
Result<std::vector<std::string>> check(std::string_view backend, const VmConfig& config);
// The same question before anything is fetched or built for that architecture.
Status check_arch(std::string_view backend, Arch arch);

}  // namespace rig::vm
