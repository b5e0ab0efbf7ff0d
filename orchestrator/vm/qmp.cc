// SPDX-License-Identifier: Apache-2.0
#include "vm/qmp.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace rig::vm {
namespace json = boost::json;

namespace {

const json::object* find_object(const json::object& in, std::string_view key) {
  const json::value* value = in.if_contains(key);
  return value != nullptr ? value->if_object() : nullptr;
}

std::string find_text(const json::object& in, std::string_view key) {
  const json::value* value = in.if_contains(key);
  const json::string* text = value != nullptr ? value->if_string() : nullptr;
  return text != nullptr ? std::string(*text) : std::string();
}

std::int64_t find_number(const json::object& in, std::string_view key) {
  const json::value* value = in.if_contains(key);
  const std::int64_t* number = value != nullptr ? value->if_int64() : nullptr;
  return number != nullptr ? *number : 0;
}

// {"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": "Debian ..."}}
std::string version_of(const json::object& greeting) {
  const json::object* version = find_object(greeting, "version");
  const json::object* qemu = version != nullptr ? find_object(*version, "qemu") : nullptr;
  if (qemu == nullptr) return "unknown";
  const std::string package = find_text(*version, "package");
  return fmt::format("{}.{}.{}{}", find_number(*qemu, "major"), find_number(*qemu, "minor"),
                     find_number(*qemu, "micro"),
                     package.empty() ? "" : fmt::format(" ({})", package));
}

std::string quote(std::string_view line) {
  constexpr std::size_t kShown = 80;
  return line.size() <= kShown ? fmt::format("'{}'", line)
                               : fmt::format("'{}...'", line.substr(0, kShown));
}

}  // namespace

std::string QmpEvent::text(std::string_view key) const {
  return find_text(data, key);
}

bool QmpEvent::flag(std::string_view key) const {
  const json::value* value = data.if_contains(key);
  const bool* flag = value != nullptr ? value->if_bool() : nullptr;
  return flag != nullptr && *flag;
}

Result<std::unique_ptr<Qmp>> Qmp::create(Loop& loop, UniqueFd socket,
                                         std::function<void(const QmpEvent&)> on_event) {
  std::unique_ptr<Qmp> qmp(new Qmp(loop, std::move(on_event)));
  RIG_ASSIGN(
      qmp->channel_,
      Channel::create(loop, std::move(socket),
                      {.on_bytes = [raw = qmp.get()](auto bytes) { raw->feed(bytes); },
                       .on_end = [raw = qmp.get()] { raw->break_off("connection closed"); }}));
  return qmp;
}

Result<std::string> Qmp::connect(Deadline deadline, const std::stop_token& stop) {
  switch (loop_.run_until([&] { return version_ || broken_; }, deadline, stop)) {
    case Loop::Woke::kCancelled:
      return fail(Blame::kCancelled, "stopped");
    case Loop::Woke::kDeadline:
      return fail(Blame::kRig, "QMP: no greeting in time");
    case Loop::Woke::kCondition:
      break;
  }
  if (!version_) return fail(Blame::kRig, "QMP: {} before the greeting", *broken_);
  RIG_TRY(execute("qmp_capabilities", {}, deadline, stop));
  return *version_;
}

Qmp::Reply Qmp::execute(std::string_view command, json::object arguments, Deadline deadline,
                        const std::stop_token& stop, std::optional<int> fd) {
  // Shared: the answer may still come after we have given up waiting for it.
  const auto reply = std::make_shared<std::optional<Reply>>();
  send(
      command, std::move(arguments), [reply](Reply got) { *reply = std::move(got); }, fd);
  switch (loop_.run_until([&] { return reply->has_value(); }, deadline, stop)) {
    case Loop::Woke::kCancelled:
      return fail(Blame::kCancelled, "stopped");
    case Loop::Woke::kDeadline:
      return fail(Blame::kRig, "QMP: no answer to {} in time", command);
    case Loop::Woke::kCondition:
      break;
  }
  return *std::move(*reply);
}

void Qmp::send(std::string_view command, json::object arguments,
               std::function<void(Reply)> on_reply, std::optional<int> fd) {
  if (broken_) return on_reply(fail(Blame::kRig, "QMP: {}: cannot send {}", *broken_, command));
  const std::uint64_t id = next_id_++;
  json::object message{{"execute", command}, {"id", id}};
  if (!arguments.empty()) message["arguments"] = std::move(arguments);
  pending_.emplace(id, Pending{std::string(command), std::move(on_reply)});
  channel_->write(json::serialize(message) + "\n", fd);
}

void Qmp::feed(std::string_view bytes) {
  while (!bytes.empty() && !broken_) {
    const auto end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (line_.size() > kMaxLine) {
      return break_off(fmt::format("a line of more than {} bytes", kMaxLine));
    }
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    const std::string line = std::exchange(line_, {});
    if (line.find_first_not_of(" \t\r") != std::string::npos) on_line(line);
  }
}

void Qmp::on_line(std::string_view line) {
  boost::system::error_code error;
  json::value message = json::parse(line, error);
  if (error) return break_off(fmt::format("not JSON: {}", quote(line)));
  if (!message.is_object()) return break_off(fmt::format("not an object: {}", quote(line)));
  on_message(std::move(message.as_object()));
}

void Qmp::on_message(json::object message) {
  if (const json::object* greeting = find_object(message, "QMP")) {
    if (version_) return break_off("a second greeting");
    version_ = version_of(*greeting);
    return;
  }
  if (message.contains("return") || message.contains("error")) return on_answer(message);
  QmpEvent event{find_text(message, "event"), {}};
  if (event.name.empty()) return break_off("neither an answer nor an event");
  if (const json::object* data = find_object(message, "data")) event.data = *data;
  on_event_(event);
}

void Qmp::on_answer(const json::object& message) {
  // A command that could not even be parsed is refused without an id; ours always can.
  const auto entry = pending_.find(static_cast<std::uint64_t>(find_number(message, "id")));
  if (entry == pending_.end()) return break_off("an answer to nothing that was asked");
  const Pending asked = std::move(entry->second);
  pending_.erase(entry);
  if (const json::value* value = message.if_contains("return")) return asked.on_reply(*value);
  const json::object* refusal = find_object(message, "error");
  const std::string why = refusal != nullptr ? find_text(*refusal, "desc") : "";
  asked.on_reply(fail(Blame::kRig, "QMP: {}: {}", asked.command,
                      why.empty() ? "refused without reason" : why));
}

void Qmp::break_off(std::string why) {
  if (broken_) return;
  broken_ = std::move(why);
  for (const auto& [id, asked] : std::exchange(pending_, {})) {
    asked.on_reply(fail(Blame::kRig, "QMP: {} while waiting for {}", *broken_, asked.command));
  }
}

}  // namespace rig::vm
