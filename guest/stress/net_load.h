// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "guest/stress/load.h"

namespace rig::guest {

// Sends datagrams to itself over the loopback interface until the load stops, leaves each in its
// socket's queue for a while, and checks what it receives.
//
// The size is chosen for where the kernel puts it: headers, payload and the 320 bytes of
// skb_shared_info need more than 512 and at most 1024 bytes, so the packet's head is a 1024-byte
// kmalloc object with skb_shared_info at 0x2c0, frag_list at 0x2c8.
//
// One worker, not one per CPU: two that meet damaged packets at the same time crash into each
// other, which garbles the kernel's report and can stop it from finishing its panic.
class NetWorker {
 public:
  explicit NetWorker(Load& load) : load_(load) {}
  void run();

 private:
  static constexpr std::size_t kSockets = 8;
  static constexpr std::size_t kPayload = 256;

  bool open_sockets();
  bool send_burst(std::size_t socket);
  bool drain(std::size_t socket);

  Load& load_;
  std::array<int, kSockets> sockets_{};
  std::array<std::uint64_t, kSockets> queued_{};  // datagrams in each socket
  std::uint64_t sequence_ = 0;
};

}  // namespace rig::guest
