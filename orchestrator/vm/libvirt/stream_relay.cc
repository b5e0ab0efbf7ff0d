// SPDX-License-Identifier: Apache-2.0
#include "vm/libvirt/stream_relay.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>

namespace rig::vm::libvirt {
namespace {

constexpr std::size_t kRelayBuffer = 64 << 10;

}  // namespace

struct StreamRelay::State : std::enable_shared_from_this<State> {
  std::mutex mutex;
  std::condition_variable arrived;
  Owned<virStream> stream;
  UniqueFd socket;
  int watch = -1;
  std::string to_socket;  // each way: what the other side has not taken yet
  std::string to_stream;
  Clock::time_point last_bytes = Clock::now();
  bool ended = false;

  void read_stream();
  void write_stream();
  void read_socket();
  void write_socket();
  void renew_interest();
  void end();
};

namespace {

using RelayRef = std::shared_ptr<StreamRelay::State>;

void free_relay(void* opaque) {
  delete static_cast<RelayRef*>(opaque);
}

void on_stream_event(virStreamPtr, int events, void* opaque) {
  const RelayRef relay = *static_cast<RelayRef*>(opaque);
  const std::lock_guard lock(relay->mutex);
  if ((events & VIR_STREAM_EVENT_READABLE) != 0) relay->read_stream();
  if ((events & VIR_STREAM_EVENT_WRITABLE) != 0) relay->write_stream();
  if ((events & (VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP)) != 0) {
    relay->read_stream();
    relay->end();
  }
  relay->renew_interest();
}

void on_socket_event(int, int, int events, void* opaque) {
  const RelayRef relay = *static_cast<RelayRef*>(opaque);
  const std::lock_guard lock(relay->mutex);
  if ((events & VIR_EVENT_HANDLE_WRITABLE) != 0) relay->write_socket();
  if ((events & VIR_EVENT_HANDLE_READABLE) != 0) relay->read_socket();
  if ((events & (VIR_EVENT_HANDLE_ERROR | VIR_EVENT_HANDLE_HANGUP)) != 0) relay->end();
  relay->renew_interest();
}

}  // namespace

// A bounded number of reads per turn: a guest that prints for ever must not starve the others.
void StreamRelay::State::read_stream() {
  std::array<char, kRelayBuffer> buffer;
  for (int i = 0; i < 8 && !ended && to_socket.empty(); ++i) {
    const int count = virStreamRecv(stream.get(), buffer.data(), buffer.size());
    if (count == -2) return;  // nothing now
    if (count <= 0) return end();
    last_bytes = Clock::now();
    arrived.notify_all();
    to_socket.append(buffer.data(), static_cast<std::size_t>(count));
    write_socket();
  }
}

void StreamRelay::State::write_stream() {
  while (!ended && !to_stream.empty()) {
    const int count = virStreamSend(stream.get(), to_stream.data(), to_stream.size());
    if (count == -2 || count == 0) return;
    if (count < 0) return end();
    to_stream.erase(0, static_cast<std::size_t>(count));
  }
}

void StreamRelay::State::read_socket() {
  if (ended || !to_stream.empty()) return;
  std::array<char, kRelayBuffer> buffer;
  const ssize_t count = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) return end();
  to_stream.append(buffer.data(), static_cast<std::size_t>(count));
  write_stream();
}

void StreamRelay::State::write_socket() {
  while (!ended && !to_socket.empty()) {
    const ssize_t count =
        ::send(socket.get(), to_socket.data(), to_socket.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0) return end();
    to_socket.erase(0, static_cast<std::size_t>(count));
  }
}

// Each side is read while the other takes what it is given.
void StreamRelay::State::renew_interest() {
  if (ended) return;
  const int of_stream = (to_socket.empty() ? VIR_STREAM_EVENT_READABLE : 0) |
                        (to_stream.empty() ? 0 : VIR_STREAM_EVENT_WRITABLE) |
                        VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP;
  virStreamEventUpdateCallback(stream.get(), of_stream);
  virEventUpdateHandle(watch, (to_stream.empty() ? VIR_EVENT_HANDLE_READABLE : 0) |
                                  (to_socket.empty() ? 0 : VIR_EVENT_HANDLE_WRITABLE));
}

void StreamRelay::State::end() {
  if (std::exchange(ended, true)) return;
  arrived.notify_all();
  virStreamEventRemoveCallback(stream.get());
  if (watch >= 0) virEventRemoveHandle(watch);
  virStreamAbort(stream.get());
}

Result<std::unique_ptr<StreamRelay>> StreamRelay::start(Owned<virStream> stream, UniqueFd socket) {
  ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
  auto state = std::make_shared<State>();
  const std::lock_guard lock(state->mutex);
  state->stream = std::move(stream);
  state->socket = std::move(socket);
  state->watch = virEventAddHandle(state->socket.get(), VIR_EVENT_HANDLE_READABLE, on_socket_event,
                                   new RelayRef(state), free_relay);
  if (state->watch < 0) return fail_libvirt("watching a socket");
  const int events = VIR_STREAM_EVENT_READABLE | VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP;
  if (virStreamEventAddCallback(state->stream.get(), events, on_stream_event, new RelayRef(state),
                                free_relay) < 0) {
    const auto failure = fail_libvirt("watching a stream");
    state->end();
    return failure;
  }
  return std::unique_ptr<StreamRelay>(new StreamRelay(state));
}

// Only now the other side sees an end. A stream's own says less than the event that comes with it:
// the guest powered off, or the domain is gone.
StreamRelay::~StreamRelay() {
  const std::lock_guard lock(state_->mutex);
  state_->end();
  state_->socket.reset();
}

void StreamRelay::await_quiet(const std::shared_ptr<State>& state, Clock::duration silence,
                              Deadline deadline) {
  std::unique_lock lock(state->mutex);
  const Clock::time_point called = Clock::now();
  while (!state->ended && !deadline.expired()) {
    const Clock::time_point quiet = std::max(called, state->last_bytes) + silence;
    if (Clock::now() >= quiet) return;
    state->arrived.wait_until(lock, std::min(quiet, deadline.at()));
  }
}

}  // namespace rig::vm::libvirt
