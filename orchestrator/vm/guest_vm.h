// SPDX-License-Identifier: Apache-2.0
// What the backends share: a guest with a serial console and our agent, the queue of its events,
// requests to the agent, breakpoints. A backend says how its machine is started, stopped, resumed
// and dumped, and calls what is protected here as it learns of the machine.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "vm/agent_channel.h"
#include "vm/console_log.h"
#include "vm/gdb_client.h"
#include "vm/loop.h"
#include "vm/vm.h"

namespace rig::vm {

// What no backend can run: memory, CPUs and files are looked at.
Status check_config(const VmConfig& config);

class GuestVm : public Vm {
 public:
  // Of console lines and program output that nobody fetches; what does not fit is left out, and the
  // stream says so at that place.
  static constexpr std::size_t kMaxQueued = std::size_t{64} << 20;

  // The ends of the guest's wires on our side.
  struct GuestWires {
    UniqueFd console;
    UniqueFd agent;
    UniqueFd debugger = {};  // where VmConfig::breakpoints
  };

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
  Result<std::chrono::seconds> arm_watchdog(std::chrono::seconds time, Deadline) override;
  Status power_off(Deadline) override;
  Status load_crash_kernel(const CrashKernel& kernel, Deadline) override;
  Status load_crash_segments(const CrashSegments& image, Deadline) override;
  Status read_ranges(std::string_view guest_path, std::span<const FileRange> ranges,
                     const ExtentSink& sink, Deadline) override;

  Status set_breakpoints(std::span<const VirtAddr> addresses, Deadline) override;
  Status remove_breakpoint(VirtAddr address, Deadline) override;
  VmDescription describe() const override { return description_; }

 protected:
  // What the guest's vCPUs do, as far as the backend has told.
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

  GuestVm(const VmConfig& config, Loop loop);
  // Opens console.log and listens to the guest.
  Status connect_guest(GuestWires wires);

  // The backend's part. `gone`: the machine, or the only way to talk to it. `notice_end` queues
  // kBackendExited once, when its end is known. `explain` waits a little for what tells more.
  virtual bool gone() const = 0;
  virtual void notice_end() = 0;
  virtual Error gone_error(std::string_view doing) const = 0;
  virtual Error explain(Error error, std::string_view doing) = 0;
  virtual void on_console_line(std::string_view) {}

  void push(Event event);
  void push_end();  // kBackendExited, after all that the guest has said
  void drain_guest();
  void on_breakpoint(unsigned cpu);
  bool stopped_by_itself() const { return guest_ >= Guest::kPanicked; }
  std::string_view guest_state() const;
  // Runs the loop until the condition holds or the machine is gone. False: the deadline passed
  // first.
  Result<bool> wait(const std::function<bool()>& condition, Deadline deadline,
                    std::string_view doing);

  VmConfig config_;
  VmDescription description_;
  Loop loop_;
  Guest guest_ = Guest::kRunning;
  bool stopping_ = false;                // our own stop() is under way
  bool end_told_ = false;                // kBackendExited is queued or delivered
  std::optional<unsigned> trapped_cpu_;  // the debugger's wire told, the monitor did not yet

 private:
  struct Dropped {
    std::uint64_t lines = 0;
    std::uint64_t output = 0;  // bytes
  };

  void tell_dropped();
  void enqueue(Event event);

  // guest_requests.cc
  Result<AgentChannel::Answer> answer(std::uint32_t id, std::string_view doing, Deadline deadline);
  Status await_agent(const std::function<bool()>& condition, std::string_view doing,
                     Deadline deadline);
  template <class M>
  Result<AgentChannel::Answer> ask(const M& message, std::string_view doing, Deadline deadline);

  // guest_breakpoints.cc
  Status check_debugger() const;

  std::deque<Event> events_;
  std::size_t queued_bytes_ = 0;
  Dropped dropped_;
  std::optional<Clock::time_point> agent_broke_;

  std::optional<ConsoleLog> console_log_;
  std::unique_ptr<AgentChannel> agent_;
  // The wires go first: their handlers use the rest.
  std::unique_ptr<Channel> console_;
  std::unique_ptr<Channel> agent_wire_;
  std::unique_ptr<GdbClient> debugger_;
};

}  // namespace rig::vm
