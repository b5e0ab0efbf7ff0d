// SPDX-License-Identifier: Apache-2.0
// What the guest does is told as events, in order.
#include "unit/vm/qemu_vm_fixture.h"

namespace rig::vm::qemu {
namespace {

using fakes::at_once;
using fakes::ScriptedQmp;
using fakes::soon;
using testing::HasSubstr;

TEST_F(QemuVmTest, StartLetsTheGuestRunOnlyOnceEventsAreHeard) {
  start();
  EXPECT_THAT(qmp_->commands(), testing::ElementsAre("qmp_capabilities", "cont"));
  EXPECT_EQ(vm_->describe().backend_version, "7.2.22 (Debian 1:7.2)");
}

TEST_F(QemuVmTest, LinesPrintedBeforeAPanicComeBeforeIt) {
  start();
  print("Kernel panic - not syncing: Fatal exception\r\n");
  qmp_->event("GUEST_PANICKED", R"({"action": "pause"})");
  qmp_->event("STOP");
  EXPECT_THAT(kinds(3), testing::ElementsAre(EventKind::kConsoleLine, EventKind::kPanicked,
                                             EventKind::kStopped));
}

TEST_F(QemuVmTest, ResetOfTheGuestIsAnEventAndStopsIt) {
  start();
  qmp_->event("SHUTDOWN", R"({"guest": true, "reason": "guest-reset"})");
  qmp_->event("STOP");
  EXPECT_THAT(kinds(2), testing::ElementsAre(EventKind::kReset, EventKind::kStopped));
}

TEST_F(QemuVmTest, WatchdogThatFiresIsAnEventAndStopsTheGuest) {
  start();
  qmp_->event("WATCHDOG", R"({"action": "pause"})");
  qmp_->event("STOP");
  EXPECT_THAT(kinds(2), testing::ElementsAre(EventKind::kWatchdog, EventKind::kStopped));
}

TEST_F(QemuVmTest, NmiIsSentUnlessTheMachineHasNone) {
  start();
  const auto sent = vm_->inject_nmi(soon());
  ASSERT_TRUE(sent) << sent.error().message();
  EXPECT_TRUE(*sent);
  EXPECT_EQ(qmp_->commands().back(), "inject-nmi");
}

TEST_F(QemuVmTest, MachineWithoutNmisIsNoError) {
  start({{"inject-nmi", [](ScriptedQmp&, ScriptedQmp::Call& call) {
            return ScriptedQmp::refuse(call, "machine does not provide NMIs");
          }}});
  const auto sent = vm_->inject_nmi(soon());
  ASSERT_TRUE(sent) << sent.error().message();
  EXPECT_FALSE(*sent);
}

TEST_F(QemuVmTest, NmiThatIsNotAnsweredIsAnError) {
  start({{"inject-nmi", [](ScriptedQmp&, ScriptedQmp::Call&) { return std::string(); }}});
  EXPECT_FALSE(vm_->inject_nmi(at_once())) << "silence";
  qmp_->hang_up();
  EXPECT_FALSE(vm_->inject_nmi(soon())) << "gone";
}

TEST_F(QemuVmTest, OurOwnStopIsNoEvent) {
  start({{"stop", [](ScriptedQmp& qmp, ScriptedQmp::Call& call) {
            qmp.event("STOP");
            return ScriptedQmp::ok(call);
          }}});
  ASSERT_TRUE(vm_->stop(soon()));
  const auto event = vm_->next_event(at_once());
  ASSERT_TRUE(event);
  EXPECT_FALSE(*event);
}

TEST_F(QemuVmTest, PanicDuringOurOwnStopIsStillTold) {
  start({{"stop", [](ScriptedQmp& qmp, ScriptedQmp::Call& call) {
            qmp.event("GUEST_PANICKED");
            qmp.event("STOP");
            return ScriptedQmp::ok(call);
          }}});
  ASSERT_TRUE(vm_->stop(soon()));
  EXPECT_THAT(kinds(2), testing::ElementsAre(EventKind::kPanicked, EventKind::kStopped));
}

TEST_F(QemuVmTest, UnexplainedStopIsAskedAboutAndAFaultOfQemuIsTheRigs) {
  start({{"query-status", [](ScriptedQmp&, ScriptedQmp::Call& call) {
            return ScriptedQmp::ok(call, R"({"status": "internal-error", "running": false})");
          }}});
  qmp_->event("STOP");
  const auto event = next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, EventKind::kStopped);
  EXPECT_THAT(event->text, HasSubstr("internal-error"));
  const auto status = vm_->write_sysctl("a", "b", soon());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().blame, Blame::kRig);
}

TEST_F(QemuVmTest, StopTokenEndsAWaitAtOnce) {
  start();
  std::thread user([this] { stop_.request_stop(); });
  const auto event = vm_->next_event(soon());
  user.join();
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().blame, Blame::kCancelled);
}

TEST_F(QemuVmTest, LinesThatNobodyFetchesAreBoundedInBytesAndTheStreamSaysSo) {
  start();
  constexpr std::size_t kLine = 16000;
  constexpr std::size_t kLines = QemuVm::kMaxQueued / kLine + 500;
  std::thread guest([this] {
    const std::string line(kLine - 1, 'x');
    for (std::size_t i = 0; i < kLines; ++i) print(line + "\n");
    agent_says(0, guest::Hello{});
  });
  const auto info = vm_->wait_for_agent(Deadline::after(std::chrono::seconds(20)));
  guest.join();
  ASSERT_TRUE(info && *info);
  std::size_t lines = 0;
  std::size_t bytes = 0;
  std::uint64_t left_out = 0;
  for (;;) {
    const auto event = vm_->next_event(at_once());
    ASSERT_TRUE(event) << event.error().message();
    if (!*event) break;
    if ((*event)->kind != EventKind::kConsoleLine) continue;
    bytes += (*event)->text.size();
    unsigned count = 0;
    if (std::sscanf((*event)->text.c_str(), "[%u lines left out: they came faster", &count) == 1) {
      left_out += count;
    } else {
      ++lines;
    }
  }
  EXPECT_LE(bytes, QemuVm::kMaxQueued + (1u << 20));
  EXPECT_GT(left_out, 400u);
  EXPECT_EQ(lines + left_out, kLines);  // none is missing unsaid
}

}  // namespace
}  // namespace rig::vm::qemu
