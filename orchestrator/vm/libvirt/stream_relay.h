// SPDX-License-Identifier: Apache-2.0
// Carries bytes between a libvirt stream (a console, a channel: also of another host) and a socket
// of ours, in libvirt's event thread.
#pragma once

#include <memory>

#include "base/deadline.h"
#include "base/file.h"
#include "vm/libvirt/handles.h"

namespace rig::vm::libvirt {

class StreamRelay {
 public:
  // Takes an open, non-blocking stream and the far end of a socket pair.
  static Result<std::unique_ptr<StreamRelay>> start(Owned<virStream> stream, UniqueFd socket);
  ~StreamRelay();  // ends both
  StreamRelay(const StreamRelay&) = delete;
  StreamRelay& operator=(const StreamRelay&) = delete;

  // Returns once nothing has come from the stream for that long, or at the deadline. From any
  // thread but libvirt's: events overtake the bytes of streams, so whoever tells that a guest
  // stopped lets it finish its words first.
  struct State;
  static void await_quiet(const std::shared_ptr<State>& state, Clock::duration silence,
                          Deadline deadline);
  const std::shared_ptr<State>& state() const { return state_; }

 private:
  explicit StreamRelay(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace rig::vm::libvirt
