// SPDX-License-Identifier: Apache-2.0
#include "guest/stress/net_load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

namespace rig::guest {
namespace {

// A burst stays queued while the other sockets get theirs: (kSockets - 1) steps, 35 ms or more.
constexpr std::uint64_t kBurst = 64;
constexpr std::chrono::milliseconds kStep{5};

// A UDP socket on the loopback address, connected to itself; -1 and errno.
//
// It sends no checksums: to prepare one for hardware, udp4_hwcsum() walks the packet's fragments,
// and a packet damaged while it is being sent would crash there. Without, as with packets from a
// network card, nobody looks at frag_list before the packet is freed. The receiver checks the data.
int open_self_connected() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  const int no_checksums = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  if (setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &no_checksums, sizeof(no_checksums)) == 0 &&
      bind(fd, generic, size) == 0 && getsockname(fd, generic, &size) == 0 &&
      connect(fd, generic, size) == 0) {
    return fd;
  }
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

// Freed objects stay with the CPU that freed them: to get at all of them, packets have to be sent
// from every CPU.
void move_to_cpu(std::uint64_t turn) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(turn % std::max(1u, std::thread::hardware_concurrency()), &set);
  sched_setaffinity(0, sizeof(set), &set);
}

}  // namespace

bool NetWorker::open_sockets() {
  sockets_.fill(-1);
  for (int& fd : sockets_) {
    fd = open_self_connected();
    if (fd < 0) return load_.fail_setup("open a UDP socket", errno), false;
  }
  return true;
}

bool NetWorker::send_burst(std::size_t socket) {
  std::array<std::uint64_t, kPayload / sizeof(std::uint64_t)> payload;
  for (std::uint64_t i = 0; i < kBurst; ++i) {
    payload.fill(++sequence_);
    if (send(sockets_[socket], payload.data(), kPayload, 0) != static_cast<ssize_t>(kPayload)) {
      if (errno == EAGAIN || errno == ENOBUFS) return true;  // enough is queued
      const int error = errno;
      const bool worked = load_.counters().sent.load() != 0;
      worked ? load_.fail("send a datagram", error) : load_.fail_setup("send a datagram", error);
      return false;
    }
    ++queued_[socket];
    load_.counters().sent.fetch_add(1);
  }
  return true;
}

bool NetWorker::drain(std::size_t socket) {
  std::array<std::uint64_t, kPayload / sizeof(std::uint64_t)> payload;
  std::uint64_t received = 0;
  while (true) {
    const ssize_t size = recv(sockets_[socket], payload.data(), kPayload, MSG_TRUNC);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) break;
    const bool same = std::all_of(payload.begin(), payload.end(),
                                  [&](std::uint64_t word) { return word == payload.front(); });
    if (size != static_cast<ssize_t>(kPayload) || !same) {
      load_.fail("a datagram arrived damaged", size < 0 ? errno : 0);
      return false;
    }
    ++received;
  }
  load_.counters().received.fetch_add(received);
  load_.counters().lost.fetch_add(queued_[socket] - received);
  load_.count_work(received);
  queued_[socket] = 0;
  return true;
}

void NetWorker::run() {
  const bool ready = open_sockets();
  for (std::uint64_t step = 0; ready && !load_.stopping(); ++step) {
    if (step % kSockets == 0) move_to_cpu(step / kSockets);
    if (!drain(step % kSockets) || !send_burst(step % kSockets)) break;
    std::this_thread::sleep_for(kStep);
  }
  for (const int fd : sockets_) {
    if (fd >= 0) close(fd);
  }
}

}  // namespace rig::guest
