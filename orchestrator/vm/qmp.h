// SPDX-License-Identifier: Apache-2.0
// QEMU's machine protocol: one JSON object per line, a greeting, commands answered by id, events in
// between. Source: QEMU docs/interop/qmp-spec. Whatever breaks it ends the connection for good.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <map>

#include "base/error.h"
#include "vm/loop.h"

namespace rig::vm {

struct QmpEvent {
  std::string name;  // "STOP", "SHUTDOWN", ...
  boost::json::object data;

  // The member when it is there and of that type, else the default.
  std::string text(std::string_view key) const;
  bool flag(std::string_view key) const;
};

class Qmp {
 public:
  using Reply = Result<boost::json::value>;
  static constexpr std::size_t kMaxLine = std::size_t{4} << 20;

  static Result<std::unique_ptr<Qmp>> create(Loop& loop, UniqueFd socket,
                                             std::function<void(const QmpEvent&)> on_event);

  // Waits for the greeting and leaves negotiation mode: events come from then on. Returns QEMU's
  // version with its package: "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)".
  Result<std::string> connect(Deadline deadline, const std::stop_token& stop = {});

  // Sends a command and waits for its answer. `fd` travels with it (getfd). Refusals, silence until
  // the deadline and a broken connection are Blame::kRig and name the command.
  Reply execute(std::string_view command, boost::json::object arguments, Deadline deadline,
                const std::stop_token& stop = {}, std::optional<int> fd = {});

  // Sends a command; `on_reply` is called from the loop, unless the answer never comes.
  void send(std::string_view command, boost::json::object arguments,
            std::function<void(Reply)> on_reply, std::optional<int> fd = {});

  void drain() { channel_->drain(); }
  bool broken() const { return broken_.has_value(); }

 private:
  struct Pending {
    std::string command;
    std::function<void(Reply)> on_reply;
  };

  Qmp(Loop& loop, std::function<void(const QmpEvent&)> on_event)
      : loop_(loop), on_event_(std::move(on_event)) {}

  void feed(std::string_view bytes);
  void on_line(std::string_view line);
  void on_message(boost::json::object message);
  void on_answer(const boost::json::object& message);
  void break_off(std::string why);

  Loop& loop_;
  std::function<void(const QmpEvent&)> on_event_;
  std::string line_;  // the start of a line that is not complete yet
  std::optional<std::string> version_;
  std::optional<std::string> broken_;
  std::map<std::uint64_t, Pending> pending_;
  std::uint64_t next_id_ = 1;
  std::unique_ptr<Channel> channel_;  // last: its handlers use the rest
};

}  // namespace rig::vm
