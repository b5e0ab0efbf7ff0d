// SPDX-License-Identifier: Apache-2.0
//
// The event loop and what each request does.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "guest/agent/channel.h"
#include "guest/agent/file_ranges.h"
#include "guest/agent/files.h"
#include "guest/agent/program.h"
#include "guest/agent/unique_fd.h"
#include "guest/agent/watchdog.h"
#include "guest/agent/work_counter.h"
#include "guest/protocol.h"

namespace rig::guest {

class Agent {
 public:
  // SIGCHLD must be blocked: it is read from a descriptor.
  explicit Agent(std::vector<std::string> module_errors);

  // Does not return: PID 1 must not exit.
  [[noreturn]] void run();

 private:
  // One turn of the loop.
  void start_conversation();
  void wait_for_events();
  void reap_children();
  void check_deadlines();
  void beat();
  void pump_files();
  void pump_ranges();
  void pump_outputs();
  void pump_output(Program& program, std::size_t index);
  void retire_programs();

  // Requests.
  void handle_requests();
  void dispatch(const Frame& frame);
  template <class M>
  void parse(const Frame& frame);
  void handle(std::uint32_t id, const AskHello& request);
  void handle(std::uint32_t id, const WriteSysctl& request);
  void handle(std::uint32_t id, const PutFile& request);
  void handle(std::uint32_t id, const FileChunk& chunk);
  void handle(std::uint32_t id, const ReadFile& request);
  void handle(std::uint32_t id, const FindSymbols& request);
  void handle(std::uint32_t id, const LoadModule& request);
  void handle(std::uint32_t id, const RunProgram& request);
  void handle(std::uint32_t id, const KillProgram& request);
  void handle(std::uint32_t id, const ArmWatchdog& request);
  void handle(std::uint32_t id, const LoadCrashKernel& request);
  void handle(std::uint32_t id, const LoadCrashSegments& request);
  void handle(std::uint32_t id, const ReadRanges& request);
  void handle(std::uint32_t id, const PowerOff& request);

  int idle_ms() const;

  std::vector<std::string> module_errors_;
  UniqueFd child_events_;
  WorkCounter work_;
  Watchdog watchdog_;
  Channel channel_;
  std::vector<IncomingFile> incoming_;
  std::vector<OutgoingFile> outgoing_;
  std::vector<std::unique_ptr<OutgoingRanges>> outgoing_ranges_;
  std::vector<std::unique_ptr<Program>> programs_;
  std::uint64_t next_beat_ns_ = 0;
  std::uint64_t beats_ = 0;
};

}  // namespace rig::guest
