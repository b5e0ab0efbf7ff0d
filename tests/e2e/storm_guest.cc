// SPDX-License-Identifier: Apache-2.0
#include "e2e/storm_guest.h"

#include "image/boot_image.h"
#include "layout.h"
#include "scenario/kernel_spec.h"

namespace rig::e2e {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t kMemory = 256u << 20;  // small cores
constexpr auto kPatience = seconds(120);
constexpr const char* kBackend = "qemu";
constexpr const char* kStorm = "/tmp/alloc_storm";

Result<vm::VmConfig> make_config(Arch arch, const std::string& cmdline, const Layout& layout) {
  RIG_ASSIGN(const auto spec, scenario::load_kernel_spec("debian-6.1", layout.root / "kernels"));
  RIG_ASSIGN(const auto kernel, image::fetch_kernel(spec, arch, {}));
  RIG_ASSIGN(const fs::path agent, layout.agent(arch));
  RIG_ASSIGN(const auto console, vm::console_device(kBackend, arch));
  vm::VmConfig config;
  config.arch = arch;
  config.memory_bytes = kMemory;
  config.kernel = kernel.boot_file;
  RIG_ASSIGN(config.initramfs, image::build_initramfs(kernel, {agent, image::base_drivers(arch)}));
  config.cmdline = fmt::format("console={} panic=-1 oops=panic cryptomgr.notests=1 {}{}", console,
                               arch == Arch::kX86_64 ? "no_timer_check " : "", cmdline);
  config.breakpoints = true;
  return config;
}

}  // namespace

Result<StormGuest> StormGuest::start(Arch arch, const std::string& cmdline,
                                     const fs::path& folder) {
  const Layout layout{RIG_ROOT, fs::path(RIG_PROGRAM).parent_path()};
  RIG_ASSIGN(const fs::path program, layout.stress_program("guest/stress/alloc_storm", arch));
  RIG_ASSIGN(auto config, make_config(arch, cmdline, layout));
  config.folder = folder;
  RIG_ASSIGN(auto machine, vm::start(kBackend, config));
  const Deadline deadline = Deadline::after(kPatience);
  RIG_ASSIGN(const auto info, machine->wait_for_agent(deadline));
  if (!info) return fail(Blame::kRig, "the guest did not boot");
  RIG_TRY(machine->put_file(program, kStorm, 0755, deadline));
  RIG_TRY(machine->start_program({kStorm, "--seconds", "36000", "--seed", "5"}, deadline));
  StormGuest guest(std::move(machine));
  RIG_TRY(guest.run_for(seconds(2)));  // until all of its caches are there
  return guest;
}

Result<std::optional<vm::Event>> StormGuest::watch(Deadline deadline, vm::EventKind kind) {
  for (;;) {
    RIG_ASSIGN(const auto event, vm_->next_event(deadline));
    if (!event || event->kind == kind) return event;
    if (event->kind == vm::EventKind::kPanicked || event->kind == vm::EventKind::kReset ||
        event->kind == vm::EventKind::kProgramExited) {
      return fail(Blame::kKernel, "the guest under load ended: {}", event->text);
    }
  }
}

Status StormGuest::run_for(std::chrono::milliseconds time) {
  const Deadline patience = Deadline::after(kPatience);
  RIG_TRY(vm_->resume(patience));
  RIG_TRY(watch(Deadline::after(time), vm::EventKind::kStopped));
  return vm_->stop(patience);
}

Result<bool> StormGuest::run_to(VirtAddr address, std::chrono::milliseconds patience) {
  const Deadline deadline = Deadline::after(kPatience);
  const VirtAddr addresses[] = {address};
  RIG_TRY(vm_->set_breakpoints(addresses, deadline));
  RIG_TRY(vm_->resume(deadline));
  const Deadline wait = Deadline::after(patience);
  std::optional<vm::Event> hit;
  do {  // an earlier one may have been hit as the guest was stopped
    RIG_ASSIGN(hit, watch(wait, vm::EventKind::kBreakpoint));
  } while (hit && hit->address != address);
  if (!hit) RIG_TRY(vm_->stop(deadline));
  RIG_TRY(vm_->remove_breakpoint(address, deadline));
  return hit.has_value();
}

Status StormGuest::take_core(const fs::path& path) {
  return vm_->dump(path, vm::DumpFormat::kElf, {}, Deadline::after(kPatience));
}

}  // namespace rig::e2e
