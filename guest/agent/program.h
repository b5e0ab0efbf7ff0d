// SPDX-License-Identifier: Apache-2.0
//
// A program run for the host: its processes, its output, its end.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>

#include "guest/agent/unique_fd.h"
#include "guest/protocol.h"

namespace rig::guest {

class Program {
 public:
  // Starts it, in a process group of its own. `work_fd` is inherited as kWorkFdVariable. On failure
  // (no memory, not executable, ...) `error` says why and there is no process.
  Program(std::uint32_t id, const RunProgram& request, int work_fd, Done& error);

  std::uint32_t id() const { return id_; }
  pid_t pid() const { return pid_; }

  // The ends of its output still open: index 0 is stdout, 1 is stderr; -1 is closed.
  int output_fd(std::size_t index) const { return outputs_[index].get(); }
  // What is there of an output, at most kMaxChunk bytes; empty at its end, which is then closed.
  std::string read_output(std::size_t index);

  // To the whole group.
  Done signal(int number);
  // When to look at it again, in ns of CLOCK_BOOTTIME; UINT64_MAX = never.
  std::uint64_t deadline_ns() const { return deadline_ns_; }
  void on_deadline();

  // Its main process was reaped: what remains of the group is killed, its last output still comes.
  void on_exit(int status, const rusage& usage);
  // Reaped, and all output read.
  bool finished() const;
  Exited result() const { return exited_; }

 private:
  // A process that left the group may hold an output open for ever: so long after the end of the
  // program, an empty output counts as closed.
  static constexpr std::uint64_t kDrainNs = 1'000'000'000;

  std::uint32_t id_;
  pid_t pid_ = -1;
  bool reaped_ = false;
  bool drained_ = false;
  std::uint64_t deadline_ns_ = UINT64_MAX;
  std::array<UniqueFd, 2> outputs_;
  Exited exited_;
};

}  // namespace rig::guest
