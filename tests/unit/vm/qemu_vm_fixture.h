// SPDX-License-Identifier: Apache-2.0
// QemuVm against a scripted QEMU: what the real one does only when something is wrong.
#pragma once

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fakes/deadlines.h"
#include "fakes/scripted_gdbstub.h"
#include "fakes/scripted_qmp.h"
#include "vm/qemu/qemu_vm.h"

namespace rig::vm::qemu {

class QemuVmTest : public testing::Test {
 protected:
  using Handlers = std::map<std::string, fakes::ScriptedQmp::Handler>;

  void start(Handlers handlers = {}) {
    qmp_ = std::make_unique<fakes::ScriptedQmp>(std::move(handlers));
    auto console = socket_pair();
    auto agent = socket_pair();
    ASSERT_TRUE(console && agent);
    console_ = std::move(console->second);
    agent_ = std::move(agent->second);
    VmConfig config;
    config.folder = folder_->path();
    config.stop = stop_.get_token();
    QemuVm::Wires wires{qmp_->client(), std::move(console->first), std::move(agent->first)};
    if (stub_) wires.debugger = stub_->client();
    auto vm = QemuVm::attach(config, std::move(wires));
    ASSERT_TRUE(vm) << vm.error().message();
    vm_ = std::move(*vm);
  }
  // A QEMU whose dump sends `stream` and ends with `error`.
  Handlers dumping(std::string stream, std::string error = "") {
    return {{"getfd",
             [this](fakes::ScriptedQmp&, fakes::ScriptedQmp::Call& call) {
               core_ = std::move(call.fd);
               return fakes::ScriptedQmp::ok(call);
             }},
            {"dump-guest-memory",
             [this, stream, error](fakes::ScriptedQmp& qmp, fakes::ScriptedQmp::Call& call) {
               qmp.say(fakes::ScriptedQmp::ok(call));
               (void)!::write(core_.get(), stream.data(), stream.size());
               core_.reset();
               qmp.event("DUMP_COMPLETED", error.empty()
                                               ? R"({"result": {"status": "completed"}})"
                                               : fmt::format(R"({{"error": "{}"}})", error));
               return std::string();
             }}};
  }
  template <class M>
  void agent_says(std::uint32_t id, const M& message) {
    const std::string bytes = *guest::encode_frame(id, message);
    ASSERT_EQ(::write(agent_.get(), bytes.data(), bytes.size()), ssize_t(bytes.size()));
  }
  void print(std::string_view text) {
    ASSERT_EQ(::write(console_.get(), text.data(), text.size()), ssize_t(text.size()));
  }
  std::optional<Event> next() {
    auto event = vm_->next_event(fakes::soon());
    EXPECT_TRUE(event) << event.error().message();
    return event ? *event : std::nullopt;
  }
  std::vector<EventKind> kinds(std::size_t count) {
    std::vector<EventKind> seen;
    while (seen.size() < count) {
      const auto event = next();
      if (!event) break;
      seen.push_back(event->kind);
    }
    return seen;
  }
  // Answers one request of the host as an agent would, in a thread of its own.
  std::thread agent_answers(std::function<void(const guest::Frame&)> answer, int requests = 1) {
    return std::thread([this, answer, requests] {
      guest::FrameDecoder decoder;
      char buffer[65536];
      for (int left = requests; left > 0;) {
        const ssize_t count = ::read(agent_.get(), buffer, sizeof buffer);
        if (count <= 0) return;
        decoder.feed(std::string_view(buffer, static_cast<std::size_t>(count)));
        for (; left > 0; --left) {
          const auto frame = decoder.next();
          if (!frame) break;
          answer(*frame);
        }
      }
    });
  }

  Result<TempDir> folder_ = TempDir::create("qemu-vm-test");
  std::stop_source stop_;
  UniqueFd console_;
  UniqueFd agent_;
  UniqueFd core_;
  std::unique_ptr<fakes::ScriptedGdbstub> stub_;  // when it is there before start()
  std::unique_ptr<fakes::ScriptedQmp> qmp_;
  std::unique_ptr<Vm> vm_;
};

}  // namespace rig::vm::qemu
