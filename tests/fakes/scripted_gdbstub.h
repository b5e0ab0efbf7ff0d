// SPDX-License-Identifier: Apache-2.0
// A gdbstub that answers as a test tells it to; what has no handler is answered with "OK".
#pragma once

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "vm/gdb_packet.h"

namespace rig::fakes {

class ScriptedGdbstub {
 public:
  // The payload of the answer to a request; nothing: no answer.
  using Handler = std::function<std::optional<std::string>(const std::string& request)>;

  explicit ScriptedGdbstub(Handler handler = {}) : handler_(std::move(handler)) {
    int fds[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
    client_.reset(fds[0]);
    server_.reset(fds[1]);
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedGdbstub() {
    hang_up();
    thread_.join();
  }

  UniqueFd client() { return std::move(client_); }  // the end that the code under test gets
  void hang_up() { ::shutdown(server_.get(), SHUT_RDWR); }
  void say(std::string_view bytes) {
    (void)!::send(server_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  void packet(std::string_view payload) { say(vm::gdb_packet(payload)); }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    vm::GdbDecoder decoder;
    std::array<char, 4096> buffer{};
    for (;;) {
      const ssize_t count = ::recv(server_.get(), buffer.data(), buffer.size(), 0);
      if (count <= 0) return;
      decoder.feed(std::string_view(buffer.data(), static_cast<std::size_t>(count)));
      while (const auto request = decoder.next()) answer(*request);
    }
  }
  void answer(const std::string& request) {
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    const auto reply = handler_ ? handler_(request) : std::optional<std::string>("OK");
    if (reply) say("+" + vm::gdb_packet(*reply));
  }

  Handler handler_;
  UniqueFd client_;
  UniqueFd server_;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

// The answer to "g" with every register 0 but the one at byte `offset`.
inline std::string register_dump(std::size_t offset, std::uint64_t value, std::size_t bytes = 512) {
  std::string dump(2 * bytes, '0');
  for (std::size_t i = 0; i < 8; ++i) {
    dump.replace(2 * (offset + i), 2, fmt::format("{:02x}", (value >> (8 * i)) & 0xff));
  }
  return dump;
}

}  // namespace rig::fakes
