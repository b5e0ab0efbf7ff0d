// SPDX-License-Identifier: Apache-2.0
// A machine run by a QEMU process of our own. Nothing of it has a path: monitor, console and agent
// are socket pairs, disks are unlinked files, so whatever kills us, nothing is left.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "vm/agent_channel.h"
#include "vm/child.h"
#include "vm/console_log.h"
#include "vm/loop.h"
#include "vm/qemu/accelerator.h"
#include "vm/qemu/command_line.h"
#include "vm/qemu/gdb_client.h"
#include "vm/qmp.h"
#include "vm/vm.h"

namespace rig::vm::qemu {

Result<std::unique_ptr<Vm>> start_qemu(const VmConfig& config);
Result<std::string> identify_qemu(const VmConfig& config);

class QemuVm final : public Vm {
 public:
  // Of console lines and program output that nobody fetches; what does not fit is left out, and the
  // stream says so at that place.
  static constexpr std::size_t kMaxQueued = std::size_t{64} << 20;

  // The ends of the wires on our side; tests put a scripted QEMU at the others.
  struct Wires {
    UniqueFd monitor;
    UniqueFd console;
    UniqueFd agent;
    UniqueFd debugger = {};  // where VmConfig::breakpoints
  };

  // Starts QEMU and waits until it answers.
  static Result<std::unique_ptr<Vm>> start(const VmConfig& config, const Machine& machine,
                                           const fs::path& program, Accelerator accelerator);
  // The same over wires that somebody else serves; no process of ours then.
  static Result<std::unique_ptr<Vm>> attach(const VmConfig& config, Wires wires);
  ~QemuVm() override;

  Result<std::optional<Event>> next_event(Deadline deadline) override;
  Result<std::optional<GuestInfo>> wait_for_agent(Deadline deadline) override;

  Status write_sysctl(std::string_view name, std::string_view value, Deadline) override;
  Status put_file(const fs::path& local, std::string_view guest_path, unsigned mode,
                  Deadline) override;
  Result<std::string> get_file(std::string_view guest_path, Deadline) override;
  Status load_module(std::string_view guest_path, std::string_view params, Deadline) override;
  Result<std::vector<GuestFunction>> find_functions(std::span<const std::string> names,
                                                    Deadline) override;
  Status start_program(const std::vector<std::string>& argv, Deadline) override;
  Status power_off(Deadline) override;

  Status stop(Deadline) override;
  Status resume(Deadline) override;
  Status set_breakpoints(std::span<const VirtAddr> addresses, Deadline) override;
  Status remove_breakpoint(VirtAddr address, Deadline) override;
  Status dump(const fs::path& path, DumpFormat format, const ProgressSink& progress,
              Deadline) override;
  VmDescription describe() const override { return description_; }

 private:
  // What the guest's vCPUs do, as far as QEMU has told.
  enum class Guest {
    kRunning,
    kHalted,    // by our stop()
    kPanicked,  // and everything below: they stopped by themselves
    kReset,
    kWatchdog,
    kBreakpoint,
    kStopped,  // nobody said why
    kPoweredOff,
    kFault,  // QEMU stopped them for a fault of its own (internal-error, io-error)
  };

  struct Dropped {
    std::uint64_t lines = 0;
    std::uint64_t output = 0;  // bytes
  };

  // How a dump that QEMU runs by itself ended (DUMP_COMPLETED): nothing while it runs.
  struct DumpEnd {
    std::string error;
  };

  static Result<std::unique_ptr<QemuVm>> create(const VmConfig& config);
  QemuVm(const VmConfig& config, Loop loop);
  Status connect(Wires wires);
  Status launch(const Machine& machine, const fs::path& program);

  // qemu_vm.cc: events
  void push(Event event);
  void tell_dropped();
  void enqueue(Event event);
  void on_monitor_event(const QmpEvent& event);
  void on_shutdown(const QmpEvent& event);
  void on_stop();
  void check_child();
  bool gone() const;  // the process, or the only way to talk to it
  bool stopped_by_itself() const { return guest_ >= Guest::kPanicked; }
  std::string_view guest_state() const;
  Error gone_error(std::string_view doing) const;
  Error explain(Error error, std::string_view doing);
  // Runs the loop until the condition holds or QEMU is gone. False: the deadline passed first.
  Result<bool> wait(const std::function<bool()>& condition, Deadline deadline,
                    std::string_view doing);
  Status command(std::string_view name, Deadline deadline);

  // qemu_agent.cc
  Result<AgentChannel::Answer> answer(std::uint32_t id, std::string_view doing, Deadline deadline);
  Status await_agent(const std::function<bool()>& condition, std::string_view doing,
                     Deadline deadline);
  template <class M>
  Result<AgentChannel::Answer> ask(const M& message, std::string_view doing, Deadline deadline);

  // qemu_breakpoints.cc
  void on_breakpoint(unsigned cpu);
  Status check_debugger() const;

  // qemu_dump.cc
  Status dump_elf(const fs::path& path, int file, const ProgressSink& progress, Deadline deadline);
  Status dump_kdump(const fs::path& path, std::string_view format, int file,
                    const ProgressSink& progress, Deadline deadline);
  Status begin_dump(int fd, std::string_view format, Deadline deadline);
  Status await_dump(const std::function<bool()>& done, const ProgressSink& progress,
                    Deadline deadline);
  Status await_dump_thread(Deadline deadline);
  void tell_dump_progress(const ProgressSink& progress, Deadline deadline);

  VmConfig config_;
  VmDescription description_;
  Loop loop_;
  std::deque<Event> events_;
  std::size_t queued_bytes_ = 0;
  Dropped dropped_;
  Guest guest_ = Guest::kRunning;
  bool stopping_ = false;  // our own "stop" is under way
  bool end_told_ = false;  // kBackendExited is queued or delivered
  std::optional<Clock::time_point> agent_broke_;
  std::optional<DumpEnd> dump_end_;
  std::optional<unsigned> trapped_cpu_;  // the debugger's wire told, the monitor did not yet

  std::unique_ptr<Child> child_;
  std::optional<ConsoleLog> console_log_;
  std::unique_ptr<AgentChannel> agent_;
  // The wires go first: their handlers use the rest.
  std::unique_ptr<Channel> console_;
  std::unique_ptr<Channel> agent_wire_;
  std::unique_ptr<GdbClient> debugger_;
  std::unique_ptr<Qmp> qmp_;
};

}  // namespace rig::vm::qemu
