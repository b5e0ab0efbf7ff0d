// SPDX-License-Identifier: Apache-2.0
#include "vm/gdb_client.h"

#include <utility>

namespace rig::vm {
namespace {

// Where the program counter is in the answer to "g": after 16 registers on x86_64, after x0 to x30
// and sp on arm64. (QEMU target/{i386,arm}/gdbstub*.c)
std::size_t program_counter_offset(Arch arch) {
  return arch == Arch::kX86_64 ? 16 * 8 : 32 * 8;
}

constexpr std::string_view kOk = "OK";

bool refused(std::string_view reply) {
  return reply.empty() || reply.front() == 'E';
}

}  // namespace

Result<std::unique_ptr<GdbClient>> GdbClient::create(Loop& loop, UniqueFd socket,
                                                     std::function<void(const GdbStop&)> on_stop) {
  std::unique_ptr<GdbClient> client(new GdbClient(loop, std::move(on_stop)));
  RIG_ASSIGN(client->channel_,
             Channel::create(loop, std::move(socket),
                             {.on_bytes = [raw = client.get()](auto bytes) { raw->feed(bytes); },
                              .on_end =
                                  [raw = client.get()] {
                                    raw->closed_ = true;
                                    raw->fail_all("the connection is closed");
                                  }}));
  return client;
}

GdbClient::Reply GdbClient::execute(std::string request, Deadline deadline,
                                    const std::stop_token& stop) {
  // Shared: the answer may still come after we have given up waiting for it.
  const auto reply = std::make_shared<std::optional<Reply>>();
  const std::string name = request;
  send(std::move(request), [reply](Reply got) { *reply = std::move(got); });
  switch (loop_.run_until([&] { return reply->has_value(); }, deadline, stop)) {
    case Loop::Woke::kCancelled:
      return fail(Blame::kCancelled, "stopped");
    case Loop::Woke::kDeadline:
      return fail(Blame::kRig, "QEMU's gdbstub: no answer to {} in time", name);
    case Loop::Woke::kCondition:
      break;
  }
  return *std::move(*reply);
}

void GdbClient::send(std::string request, std::function<void(Reply)> on_reply) {
  if (broken_ || closed_) {
    return on_reply(
        fail(Blame::kRig, "QEMU's gdbstub: {}", broken_.value_or("the connection is closed")));
  }
  requests_.push_back({std::move(request), std::move(on_reply)});
  if (requests_.size() == 1) send_next();
}

void GdbClient::send_next() {
  if (!requests_.empty()) channel_->write(gdb_packet(requests_.front().text));
}

Result<bool> GdbClient::insert(std::uint64_t address, Deadline deadline,
                               const std::stop_token& stop) {
  RIG_ASSIGN(const std::string reply, execute(fmt::format("Z1,{:x},1", address), deadline, stop));
  if (reply == kOk || refused(reply)) return reply == kOk;
  return fail(Blame::kRig, "QEMU's gdbstub answers a breakpoint at {:#x} with '{}'", address,
              reply);
}

Status GdbClient::remove(std::uint64_t address, Deadline deadline, const std::stop_token& stop) {
  RIG_ASSIGN(const std::string reply, execute(fmt::format("z1,{:x},1", address), deadline, stop));
  if (reply == kOk) return {};
  return fail(Blame::kRig, "QEMU's gdbstub does not remove the breakpoint at {:#x}: '{}'", address,
              reply);
}

void GdbClient::locate(Arch arch, unsigned cpu,
                       std::function<void(Result<std::uint64_t>)> on_reply) {
  send(fmt::format("Hg{:x}", cpu + 1), [this](const Reply& reply) {
    if (reply && *reply != kOk) break_off(fmt::format("it knows no such CPU: '{}'", *reply));
  });
  send("g", [this, arch, on_reply = std::move(on_reply)](Reply reply) {
    if (!reply) return on_reply(tl::unexpected(std::move(reply).error()));
    if (const auto at = gdb_register(*reply, program_counter_offset(arch))) return on_reply(*at);
    break_off("what it gives for registers is none");
    on_reply(fail(Blame::kRig, "QEMU's gdbstub: {}", *broken_));
  });
}

void GdbClient::feed(std::string_view bytes) {
  if (broken_) return;
  decoder_.feed(bytes);
  while (auto payload = decoder_.next()) {
    on_packet(*std::move(payload));
    if (broken_) return;
  }
  if (!decoder_.error().empty()) break_off(decoder_.error());
}

void GdbClient::on_packet(std::string payload) {
  if (const auto stop = parse_gdb_stop(payload)) return on_stop_(*stop);
  if (payload.starts_with('W') || payload.starts_with('X')) return;  // QEMU ends: its process tells
  if (requests_.empty()) return break_off("it answers what nobody asked");
  channel_->write("+");
  const Request asked = std::move(requests_.front());
  requests_.pop_front();
  asked.on_reply(std::move(payload));
  if (!broken_) send_next();
}

void GdbClient::fail_all(std::string_view why) {
  for (const Request& asked : std::exchange(requests_, {})) {
    asked.on_reply(fail(Blame::kRig, "QEMU's gdbstub: {} while waiting for {}", why, asked.text));
  }
}

void GdbClient::break_off(std::string why) {
  if (broken_) return;
  broken_ = std::move(why);
  fail_all(*broken_);
}

}  // namespace rig::vm
