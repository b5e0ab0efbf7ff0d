// SPDX-License-Identifier: Apache-2.0
//
// The agent's end of the virtio-serial port: finds it, frames what goes in and out, never waits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "guest/agent/report.h"
#include "guest/agent/unique_fd.h"
#include "guest/protocol.h"

namespace rig::guest {

class Channel {
 public:
  // Looks for the port and for the host at its other end. True when a new conversation starts: all
  // that was queued for the former one is gone. Call it on every turn of the event loop.
  bool connect();

  // The host is there.
  bool connected() const { return connected_; }
  int fd() const { return port_.get(); }
  bool has_output() const { return connected_ && !output_.empty(); }
  // Bulk (program output, file chunks, heartbeats) and new requests wait while this is false; what
  // answers a request is queued regardless.
  bool has_room() const { return connected_ && output_.size() < kHighWater; }

  template <class M>
  void send(std::uint32_t id, const M& message) {
    if (!connected_) return;
    if (const std::optional<std::string> frame = encode_frame(id, message)) {
      output_ += *frame;
    } else {
      log("a message was too long to send");
    }
  }

  // Writes what the port takes.
  void flush();
  // Reads what there is. Then drain next().
  void receive();
  std::optional<Frame> next();

 private:
  static constexpr std::size_t kHighWater = std::size_t{256} << 10;

  void open_port();

  UniqueFd port_;
  bool connected_ = false;
  bool open_failure_logged_ = false;
  bool error_reported_ = false;
  FrameDecoder decoder_;
  std::string output_;
};

}  // namespace rig::guest
