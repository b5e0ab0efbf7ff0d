// SPDX-License-Identifier: Apache-2.0
// A QMP server that says what a test tells it to: greeting first, then an answer per command. What
// a command does is a handler; commands without one are answered with an empty return.
#pragma once

#include <sys/socket.h>

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"

namespace rig::fakes {

inline constexpr std::string_view kGreeting =
    R"({"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian 1:7.2"}, "capabilities": ["oob"]}})"
    "\r\n";

class ScriptedQmp {
 public:
  struct Call {
    boost::json::object arguments;
    UniqueFd fd;     // that came with it
    std::string id;  // as JSON text
  };
  // Returns the whole answer; see ok() and refuse(). Empty: no answer.
  using Handler = std::function<std::string(ScriptedQmp&, Call&)>;

  explicit ScriptedQmp(std::map<std::string, Handler> handlers = {},
                       std::string greeting = std::string(kGreeting));
  ~ScriptedQmp();

  UniqueFd client() { return std::move(client_); }  // the end that the code under test gets

  void say(std::string_view bytes);  // raw, from any thread
  void event(std::string_view name, std::string_view data = "{}");
  void hang_up();
  std::vector<std::string> commands() const;  // received so far

  static std::string ok(const Call& call, std::string_view value = "{}");
  static std::string refuse(const Call& call, std::string_view why);

 private:
  void serve();
  bool receive(std::string& bytes, std::vector<UniqueFd>& fds);
  void dispatch(const std::string& line, std::vector<UniqueFd>& fds);

  std::map<std::string, Handler> handlers_;
  UniqueFd client_;
  UniqueFd server_;
  mutable std::mutex mutex_;
  std::vector<std::string> commands_;
  std::thread thread_;
};

inline ScriptedQmp::ScriptedQmp(std::map<std::string, Handler> handlers, std::string greeting)
    : handlers_(std::move(handlers)) {
  int fds[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
  client_.reset(fds[0]);
  server_.reset(fds[1]);
  say(greeting);
  thread_ = std::thread([this] { serve(); });
}

inline ScriptedQmp::~ScriptedQmp() {
  hang_up();
  thread_.join();
}

inline void ScriptedQmp::say(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(server_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

inline void ScriptedQmp::event(std::string_view name, std::string_view data) {
  say(fmt::format(
      R"({{"timestamp": {{"seconds": 1, "microseconds": 2}}, "event": "{}", "data": {}}})"
      "\r\n",
      name, data));
}

inline void ScriptedQmp::hang_up() {
  ::shutdown(server_.get(), SHUT_RDWR);
}

inline std::vector<std::string> ScriptedQmp::commands() const {
  const std::lock_guard lock(mutex_);
  return commands_;
}

inline std::string ScriptedQmp::ok(const Call& call, std::string_view value) {
  return fmt::format(R"({{"return": {}, "id": {}}})"
                     "\r\n",
                     value, call.id);
}

inline std::string ScriptedQmp::refuse(const Call& call, std::string_view why) {
  return fmt::format(R"({{"id": {}, "error": {{"class": "GenericError", "desc": "{}"}}}})"
                     "\r\n",
                     call.id, why);
}

inline void ScriptedQmp::serve() {
  std::string bytes;
  std::vector<UniqueFd> fds;
  while (receive(bytes, fds)) {
    for (auto end = bytes.find('\n'); end != std::string::npos; end = bytes.find('\n')) {
      const std::string line = bytes.substr(0, end);
      bytes.erase(0, end + 1);
      dispatch(line, fds);
    }
  }
}

inline bool ScriptedQmp::receive(std::string& bytes, std::vector<UniqueFd>& fds) {
  std::array<char, 4096> buffer{};
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t count = ::recvmsg(server_.get(), &message, MSG_CMSG_CLOEXEC);
  if (count <= 0) return false;
  bytes.append(buffer.data(), static_cast<std::size_t>(count));
  if (const cmsghdr* header = CMSG_FIRSTHDR(&message);
      header != nullptr && header->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    fds.emplace_back(fd);
  }
  return true;
}

inline void ScriptedQmp::dispatch(const std::string& line, std::vector<UniqueFd>& fds) {
  const boost::json::object message = boost::json::parse(line).as_object();
  const std::string name(message.at("execute").as_string());
  Call call{{}, {}, boost::json::serialize(message.at("id"))};
  if (const boost::json::value* arguments = message.if_contains("arguments")) {
    call.arguments = arguments->as_object();
  }
  if (!fds.empty()) {
    call.fd = std::move(fds.back());
    fds.pop_back();
  }
  {
    const std::lock_guard lock(mutex_);
    commands_.push_back(name);
  }
  const auto handler = handlers_.find(name);
  say(handler == handlers_.end() ? ok(call) : handler->second(*this, call));
}

}  // namespace rig::fakes
