// SPDX-License-Identifier: Apache-2.0
#include "vm/loop.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <mutex>
#include <vector>

#include "vm/loop_impl.h"

namespace rig::vm {
namespace asio = boost::asio;
using boost::system::error_code;

Result<Loop> Loop::create() {
  try {
    return Loop(std::make_unique<Impl>());
  } catch (const boost::system::system_error& error) {  // its own descriptors
    return fail_errno(error.code().value(), "cannot create an event loop");
  }
}

Loop::Loop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Loop::Loop(Loop&&) noexcept = default;
Loop::~Loop() = default;

Loop::Woke Loop::run_until(const std::function<bool()>& condition, Deadline deadline,
                           const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] { asio::post(impl_->context, [] {}); });
  for (;;) {
    if (stop.stop_requested()) return Woke::kCancelled;
    if (condition()) return Woke::kCondition;
    if (deadline.expired()) {
      impl_->context.poll();
      return condition() ? Woke::kCondition : Woke::kDeadline;
    }
    impl_->context.run_one_for(deadline.remaining());
  }
}

struct Mailbox::State {
  std::mutex mutex;
  asio::io_context* context = nullptr;  // none once closed
};

Mailbox::Mailbox(Loop& loop) : state_(std::make_shared<State>()) {
  state_->context = &loop.impl().context;
}

Mailbox::~Mailbox() {
  close();
}

void Mailbox::close() {
  const std::lock_guard lock(state_->mutex);
  state_->context = nullptr;
}

void Mailbox::post(std::function<void()> work) {
  const std::lock_guard lock(state_->mutex);
  if (state_->context == nullptr) return;
  asio::post(*state_->context, [state = state_, work = std::move(work)] {
    // Nobody but this thread closes it.
    if (state->context != nullptr) work();
  });
}

namespace {

struct Outgoing {
  std::string bytes;
  UniqueFd fd;
};

// One sendmsg() of the front of the queue: how many bytes went, or -1 with errno.
ssize_t send_some(int socket, const Outgoing& out, std::size_t sent) {
  iovec part{const_cast<char*>(out.bytes.data()) + sent, out.bytes.size() - sent};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  if (out.fd && sent == 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = out.fd.get();
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

struct Channel::State : std::enable_shared_from_this<Channel::State> {
  State(Loop& loop, int fd, Handlers on, std::size_t read_size)
      : descriptor(loop.impl().context, fd), handlers(std::move(on)), buffer(read_size) {}

  void wait_to_read() {
    descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                          [self = shared_from_this()](error_code error) {
                            if (error || self->ended) return;
                            self->read_some();
                            if (!self->ended) self->wait_to_read();
                          });
  }

  // A busy stream must not starve the others: a bounded number of reads per turn.
  void read_some() {
    for (int i = 0; i < 8 && !ended; ++i) {
      const ssize_t count = ::read(descriptor.native_handle(), buffer.data(), buffer.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return;
      if (count <= 0) return end();
      handlers.on_bytes(std::string_view(buffer.data(), static_cast<std::size_t>(count)));
    }
  }

  void end() {
    if (std::exchange(ended, true)) return;
    const auto keep = shared_from_this();
    error_code ignored;
    descriptor.close(ignored);
    outgoing.clear();
    handlers.on_end();
  }

  void send() {
    while (!ended && !outgoing.empty()) {
      const ssize_t count = send_some(descriptor.native_handle(), outgoing.front(), sent);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return wait_to_send();
      // Broken for writing: what the other side said before it left can still be read.
      if (count < 0) return outgoing.clear();
      sent += static_cast<std::size_t>(count);
      if (sent < outgoing.front().bytes.size()) continue;
      outgoing.pop_front();
      sent = 0;
    }
  }

  void wait_to_send() {
    if (std::exchange(waiting_to_send, true)) return;
    descriptor.async_wait(asio::posix::descriptor_base::wait_write,
                          [self = shared_from_this()](error_code error) {
                            self->waiting_to_send = false;
                            if (!error) self->send();
                          });
  }

  asio::posix::stream_descriptor descriptor;
  Handlers handlers;
  std::vector<char> buffer;
  std::deque<Outgoing> outgoing;
  std::size_t sent = 0;  // of the front of the queue
  bool waiting_to_send = false;
  bool ended = false;
};

Result<std::unique_ptr<Channel>> Channel::create(Loop& loop, UniqueFd fd, Handlers handlers,
                                                 std::size_t read_size) {
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  try {
    auto state = std::make_shared<State>(loop, fd.get(), std::move(handlers), read_size);
    fd.release();
    state->wait_to_read();
    return std::make_unique<Channel>(std::move(state));
  } catch (const boost::system::system_error& error) {  // the kernel does not watch this one
    return fail_errno(error.code().value(), "cannot wait for a channel");
  }
}

Channel::~Channel() {
  state_->handlers = {[](std::string_view) {}, [] {}};
  state_->end();
}

void Channel::write(std::string bytes, std::optional<int> passed_fd) {
  if (state_->ended || bytes.empty()) return;
  UniqueFd fd;
  if (passed_fd) fd.reset(::fcntl(*passed_fd, F_DUPFD_CLOEXEC, 3));
  state_->outgoing.push_back({std::move(bytes), std::move(fd)});
  if (state_->outgoing.size() == 1) state_->send();
}

std::size_t Channel::unsent() const {
  std::size_t total = 0;
  for (const Outgoing& out : state_->outgoing) total += out.bytes.size();
  return total - state_->sent;
}

void Channel::drain() {
  if (!state_->ended) state_->read_some();
}

void Channel::close() {
  state_->end();
}

bool Channel::ended() const {
  return state_->ended;
}

Result<std::pair<UniqueFd, UniqueFd>> socket_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    return fail_errno(errno, "cannot create a socket pair");
  }
  return std::pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

}  // namespace rig::vm
