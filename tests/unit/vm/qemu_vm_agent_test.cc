// SPDX-License-Identifier: Apache-2.0
#include "unit/vm/qemu_vm_fixture.h"

namespace rig::vm::qemu {
namespace {

using fakes::at_once;
using fakes::soon;
using testing::HasSubstr;

TEST_F(QemuVmTest, WaitingForTheAgentKeepsWhatElseHappens) {
  start();
  print("booting\n");
  guest::Hello hello;
  hello.release = "6.1";
  agent_says(0, hello);
  const auto info = vm_->wait_for_agent(soon());
  ASSERT_TRUE(info && *info);
  EXPECT_EQ((*info)->release, "6.1");
  EXPECT_THAT(kinds(2), testing::UnorderedElementsAre(EventKind::kConsoleLine, EventKind::kHello));
}

TEST_F(QemuVmTest, NoAgentInAGuestThatPanickedIsNoError) {
  start();
  qmp_->event("GUEST_PANICKED");
  const auto info = vm_->wait_for_agent(soon());
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_FALSE(*info);
}

TEST_F(QemuVmTest, RefusalOfTheGuestsKernelIsTheKernelsAndQuoted) {
  start();
  agent_says(0, guest::Hello{});
  auto agent = agent_answers([this](const guest::Frame& frame) {
    agent_says(frame.id, guest::Done{.error = ENOEXEC, .what = "finit_module: Exec format error"});
  });
  const auto status = vm_->load_module("/m.ko", "", soon());
  agent.join();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().blame, Blame::kKernel);
  EXPECT_THAT(status.error().what, HasSubstr("Exec format error (errno 8)"));
}

TEST_F(QemuVmTest, PanicWhileARequestIsOpenIsTheKernels) {
  start();
  agent_says(0, guest::Hello{});
  auto agent = agent_answers([this](const guest::Frame&) { qmp_->event("GUEST_PANICKED"); });
  const auto status = vm_->load_module("/m.ko", "late_write=1", soon());
  agent.join();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().blame, Blame::kKernel);
  EXPECT_THAT(status.error().what, HasSubstr("loading module /m.ko: it panicked"));
}

TEST_F(QemuVmTest, SilentAgentInARunningGuestIsTheRigs) {
  start();
  agent_says(0, guest::Hello{});
  const auto status = vm_->write_sysctl("kernel.panic", "1", at_once());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().blame, Blame::kRig);
  EXPECT_THAT(status.error().what, HasSubstr("silent while writing sysctl kernel.panic"));
}

TEST_F(QemuVmTest, AgentBreakingTheProtocolIsTheRigs) {
  start();
  print("");
  ASSERT_EQ(::write(agent_.get(), "Oops: 0000", 10), 10);
  const auto status = vm_->write_sysctl("kernel.panic", "1", soon());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().blame, Blame::kRig);
  EXPECT_THAT(status.error().what, HasSubstr("broke the protocol: bad magic"));
}

TEST_F(QemuVmTest, FileIsSentWholeAndReadBack) {
  start();
  agent_says(0, guest::Hello{});
  std::string content(3 * guest::kMaxChunk + 17, 'q');
  content[70000] = 'X';
  ASSERT_TRUE(write_file_atomically(folder_->path() / "in", content));
  std::string received;
  auto agent = agent_answers(
      [&](const guest::Frame& frame) {
        if (const auto chunk = frame.as<guest::FileChunk>()) received += chunk->bytes;
        if (received.size() == content.size()) agent_says(frame.id, guest::Done{});
      },
      1 + 4);
  const auto put = vm_->put_file(folder_->path() / "in", "/out", 0755, soon());
  agent.join();
  ASSERT_TRUE(put) << put.error().message();
  EXPECT_EQ(received, content);

  auto reader = agent_answers([&](const guest::Frame& frame) {
    agent_says(frame.id, guest::FileChunk{.bytes = "1234"});
    agent_says(frame.id, guest::Done{});
  });
  const auto got = vm_->get_file("/proc/uptime", soon());
  reader.join();
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, "1234");
}

TEST_F(QemuVmTest, ProgramThatCannotRunIsAnErrorAndOneThatRunsIsNot) {
  start();
  agent_says(0, guest::Hello{});
  const auto answer = [this](bool refuse) {
    return agent_answers(
        [this, refuse](const guest::Frame& frame) {
          if (frame.type == guest::MessageType::kAskHello) agent_says(frame.id, guest::Hello{});
          if (frame.type == guest::MessageType::kRunProgram && refuse) {
            agent_says(frame.id, guest::Done{.error = ENOENT, .what = "exec: No such file"});
          }
        },
        2);
  };
  auto agent = answer(true);
  const auto refused = vm_->start_program({"/bin/none"}, soon());
  agent.join();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("starting /bin/none: exec: No such file"));
  agent = answer(false);
  EXPECT_TRUE(vm_->start_program({"/bin/load"}, soon()));
  agent.join();
}

TEST_F(QemuVmTest, WatchdogIsArmedWithWhatTheDriverMakesOfTheTime) {
  start();
  agent_says(0, guest::Hello{});
  auto agent = agent_answers([this](const guest::Frame& frame) {
    agent_says(frame.id, guest::WatchdogArmed{.seconds = 12});
  });
  const auto armed = vm_->arm_watchdog(std::chrono::seconds(10), soon());
  agent.join();
  ASSERT_TRUE(armed) << armed.error().message();
  EXPECT_EQ(*armed, std::chrono::seconds(12));
}

TEST_F(QemuVmTest, WatchdogThatIsNotThereIsARefusalAndATimeThatCannotBeIsTheRigs) {
  start();
  agent_says(0, guest::Hello{});
  auto agent = agent_answers([this](const guest::Frame& frame) {
    agent_says(frame.id, guest::Done{.error = ENOENT, .what = "open /dev/watchdog: none"});
  });
  const auto refused = vm_->arm_watchdog(std::chrono::seconds(10), soon());
  agent.join();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().blame, Blame::kKernel);
  agent = agent_answers([this](const guest::Frame& frame) {
    agent_says(frame.id, guest::WatchdogArmed{.seconds = ~std::uint64_t{0}});
  });
  const auto endless = vm_->arm_watchdog(std::chrono::seconds(10), soon());
  agent.join();
  ASSERT_FALSE(endless);
  EXPECT_EQ(endless.error().blame, Blame::kRig);
}

TEST_F(QemuVmTest, PowerOffWaitsForTheMachine) {
  start();
  agent_says(0, guest::Hello{});
  auto agent = agent_answers([this](const guest::Frame& frame) {
    agent_says(frame.id, guest::Done{});
    qmp_->event("SHUTDOWN", R"({"guest": true, "reason": "guest-shutdown"})");
    qmp_->event("STOP");
  });
  const auto status = vm_->power_off(soon());
  agent.join();
  ASSERT_TRUE(status) << status.error().message();
  EXPECT_THAT(kinds(2), testing::ElementsAre(EventKind::kHello, EventKind::kPoweredOff));
}

TEST_F(QemuVmTest, LostMonitorFailsTheCallInProgress) {
  start();
  qmp_->hang_up();
  const auto info = vm_->wait_for_agent(soon());
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().blame, Blame::kRig);
}

}  // namespace
}  // namespace rig::vm::qemu
