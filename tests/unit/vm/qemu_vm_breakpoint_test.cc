// SPDX-License-Identifier: Apache-2.0
#include "unit/vm/qemu_vm_fixture.h"

namespace rig::vm::qemu {
namespace {

using fakes::at_once;
using fakes::ScriptedQmp;
using fakes::soon;
using testing::HasSubstr;

class QemuBreakpointTest : public QemuVmTest {
 protected:
  // A QEMU that says STOP and RESUME as the real one does.
  void start() {
    stub_ = std::make_unique<fakes::ScriptedGdbstub>([](const std::string& request) {
      if (request == "Z1,bad,1") return std::string("E22");
      return request == "g" ? fakes::register_dump(128, 0xffffffff81a10b1d) : std::string("OK");
    });
    QemuVmTest::start({{"stop",
                        [](ScriptedQmp& qmp, ScriptedQmp::Call& call) {
                          qmp.event("STOP");
                          return ScriptedQmp::ok(call);
                        }},
                       {"cont", [](ScriptedQmp& qmp, ScriptedQmp::Call& call) {
                          qmp.event("RESUME");
                          return ScriptedQmp::ok(call);
                        }}});
  }
};

TEST_F(QemuBreakpointTest, GuestIsHaltedToSetThemAndRunsAfterwards) {
  start();
  const VirtAddr addresses[] = {VirtAddr{0x10}, VirtAddr{0x20}};
  ASSERT_TRUE(vm_->set_breakpoints(addresses, soon()));
  EXPECT_THAT(stub_->requests(), testing::ElementsAre("Z1,10,1", "Z1,20,1"));
  EXPECT_THAT(qmp_->commands(), testing::ElementsAre("qmp_capabilities", "cont", "stop", "cont"));
}

TEST_F(QemuBreakpointTest, HitIsAnEventThatSaysWhereAndOnWhichCpu) {
  start();
  print("the last line\r\n");
  stub_->packet("T05thread:02;");
  qmp_->event("STOP");
  EXPECT_EQ(next()->kind, EventKind::kConsoleLine);
  const auto hit = next();
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->kind, EventKind::kBreakpoint);
  EXPECT_EQ(hit->address, VirtAddr{0xffffffff81a10b1d});
  EXPECT_EQ(hit->cpu, 1u);
  // Nobody has let it go on: no event, and the agent cannot answer.
  const auto sysctl = vm_->write_sysctl("kernel.x", "1", at_once());
  ASSERT_FALSE(sysctl);
  EXPECT_EQ(vm_->next_event(at_once())->has_value(), false);
  ASSERT_TRUE(vm_->remove_breakpoint(hit->address, soon()));
  ASSERT_TRUE(vm_->resume(soon()));
  EXPECT_EQ(qmp_->commands().back(), "cont");
}

TEST_F(QemuBreakpointTest, HitDuringOurOwnStopIsNotLost) {
  start();
  stub_->packet("T05thread:01;");
  ASSERT_TRUE(vm_->stop(soon()));
  EXPECT_EQ(next()->kind, EventKind::kBreakpoint);
}

TEST_F(QemuBreakpointTest, RefusedBreakpointIsAnError) {
  start();
  const VirtAddr addresses[] = {VirtAddr{0x10}, VirtAddr{0xbad}};
  const auto set = vm_->set_breakpoints(addresses, soon());
  ASSERT_FALSE(set);
  EXPECT_THAT(set.error().what, HasSubstr("0xbad"));
}

TEST_F(QemuBreakpointTest, BabblingStubIsTheRigsFault) {
  start();
  stub_->say("this is no packet");
  const auto event = vm_->next_event(soon());
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().blame, Blame::kRig);
  EXPECT_THAT(event.error().what, HasSubstr("gdbstub"));
}

TEST_F(QemuVmTest, MachineWithoutADebuggerTakesNoBreakpoints) {
  start();
  EXPECT_FALSE(vm_->set_breakpoints({}, soon()));
  EXPECT_FALSE(vm_->remove_breakpoint(VirtAddr{1}, soon()));
}

}  // namespace
}  // namespace rig::vm::qemu
