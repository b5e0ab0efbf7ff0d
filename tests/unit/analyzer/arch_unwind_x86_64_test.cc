// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/x86_64_unwind.h"

#include <gmock/gmock.h>

#include "fakes/orc_kernel.h"

namespace rig::analyzer {
namespace {

using fake::functions_of;
using fake::OrcFormat;
using fake::OrcKernel;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr std::uint64_t kStack = OrcKernel::kStack;
constexpr std::uint64_t kTop = kStack + OrcKernel::kStackSize;
constexpr std::uint64_t kUserFrame = kTop - 168;

// The kernel's entry from user mode, whose struct pt_regs ends the task's stack.
std::uint64_t add_syscall_entry(OrcKernel& guest) {
  const auto entry = guest.function("entry_SYSCALL_64_after_hwframe");
  guest.row({.address = entry, .sp_reg = fake::kSp, .type = fake::kRegs, .signal = true});
  guest.registers(kUserFrame, 0x438e40, 0x7fff'0000'1000, true, {{120, 1}});
  return guest.after_call(entry, 0x6e);
}

class UnwindX86OfEachFormat : public testing::TestWithParam<OrcFormat> {};

TEST_P(UnwindX86OfEachFormat, FramesAreFoundByTheStackPointerUpToUserMode) {
  OrcKernel guest(GetParam());
  const auto inner = guest.plain("inner", 2);
  const auto outer = guest.plain("outer", 4);
  const auto back = add_syscall_entry(guest);
  guest.push(kUserFrame - 8, back);
  guest.push(kUserFrame - 8 - 40, guest.after_call(outer, 0x20));
  const auto trace = guest.walk(inner + 0x10, kUserFrame - 8 - 40 - 16);
  EXPECT_THAT(functions_of(trace), ElementsAre("inner", "outer", "entry_SYSCALL_64_after_hwframe"));
  EXPECT_TRUE(trace.complete);
  EXPECT_EQ(trace.end, "user mode at 0x438e40");
  EXPECT_EQ(register_value(trace.user_registers, "ORIG_RAX"), 1u);
  EXPECT_EQ(trace.frames[1].at.offset, 0x20u);
  EXPECT_EQ(trace.frames[1].sp, VirtAddr{kUserFrame - 8 - 32});
}
INSTANTIATE_TEST_SUITE_P(UnwindX86, UnwindX86OfEachFormat,
                         testing::Values(OrcFormat::kV61, OrcFormat::kV63, OrcFormat::kV64));

TEST(UnwindX86, AFramePointerIsFollowedWhereTheTablesSaySo) {
  OrcKernel guest;
  const auto inner = guest.function("inner");
  guest.row({.address = inner,
             .sp_reg = fake::kBp,
             .sp_offset = 16,
             .bp_reg = fake::kPrevSp,
             .bp_offset = -16});
  const auto outer = guest.function("outer");
  guest.row({.address = outer, .sp_reg = fake::kBp, .sp_offset = 16});
  guest.push(kTop - 0x100, kTop - 0x80);
  guest.push(kTop - 0xf8, guest.after_call(outer, 0x30));
  guest.push(kTop - 0x80, 0);
  guest.push(kTop - 0x78, add_syscall_entry(guest));
  const auto trace = guest.walk(inner + 9, kTop - 0x200, kTop - 0x100);
  ASSERT_THAT(functions_of(trace), ElementsAre("inner", "outer", "entry_SYSCALL_64_after_hwframe"));
  EXPECT_EQ(trace.frames[1].sp, VirtAddr{kTop - 0xf0});
}

TEST(UnwindX86, AnInterruptIsCrossedToTheStackThatItInterrupted) {
  OrcKernel guest;
  const auto handler = guest.plain("sysvec_timer", 0);
  const auto entry = guest.function("asm_sysvec_timer");
  guest.row({.address = entry, .sp_reg = fake::kSpIndirect, .sp_offset = 8});
  guest.row({.address = entry + 0x20, .sp_reg = fake::kSp, .type = fake::kRegs, .signal = true});
  const auto idle = guest.plain("idle", 0);
  const auto fork = guest.function("ret_from_fork");
  guest.row({.address = fork, .end = true});
  const std::uint64_t top = OrcKernel::kIrqStack + OrcKernel::kStackSize - 8;
  const std::uint64_t frame = kTop - 0x300;
  // call_on_stack: the old stack pointer waits at the top of the new stack.
  guest.push(top, frame - 8);
  guest.push(frame - 8, guest.after_call(entry, 0x30));
  guest.push(top - 8, guest.after_call(entry, 0x10));
  guest.registers(frame, idle + 4, kTop - 0x100);
  guest.push(kTop - 0x100, guest.after_call(fork, 0x22));
  const auto trace = guest.walk(handler + 3, top - 8);
  ASSERT_THAT(functions_of(trace), ElementsAre("sysvec_timer", "asm_sysvec_timer",
                                               "asm_sysvec_timer", "idle", "ret_from_fork"));
  EXPECT_EQ(trace.frames[0].stack, "IRQ stack of CPU 1");
  EXPECT_EQ(trace.frames[2].stack, "stack of task 42 (victim)");
  EXPECT_EQ(trace.frames[3].exception, "asm_sysvec_timer");
  EXPECT_EQ(trace.frames[3].registers_at, VirtAddr{frame});
  EXPECT_EQ(trace.frames[3].at.offset, 4u) << "an interrupted place is exact";
  EXPECT_EQ(register_value(trace.frames[3].registers, "EFLAGS"), 0x246u);
  EXPECT_TRUE(trace.complete);
  EXPECT_EQ(trace.end, "the task was started here");
}

// As __crash_kexec in a core that kdump took: RBP is still its caller's.
TEST(UnwindX86, AFunctionWithoutTablesIsLeftByTheCallThatLedToIt) {
  OrcKernel guest;
  const auto bare = guest.function("bare");
  guest.row({.address = bare});  // no tables from here on
  const auto caller = guest.function("caller");
  guest.row({.address = caller, .sp_reg = fake::kBp, .sp_offset = 16});
  const auto other = guest.plain("other", 0);
  const auto fork = guest.function("ret_from_fork");
  guest.row({.address = fork, .end = true});
  const std::uint64_t back = guest.after_call(caller, 0x40);
  guest.memory.put(back - 4, static_cast<std::uint32_t>(bare - back));
  guest.push(kTop - 0x300, guest.after_call(other, 0x20));  // of a call that has returned
  guest.push(kTop - 0x2f0, back);
  guest.push(kTop - 0x200, 0);
  guest.push(kTop - 0x1f8, guest.after_call(fork, 0x22));
  const auto trace = guest.walk(bare + 0x30, kTop - 0x308, kTop - 0x200);
  EXPECT_THAT(functions_of(trace), ElementsAre("bare", "? caller", "ret_from_fork"));
  EXPECT_THAT(trace.frames[1].note, HasSubstr("a call of this function left"));
}

// The push that a probe replaced has not been executed, although RIP is behind its only byte.
TEST(UnwindX86, ABreakpointIsLeftByWhatHeldInFrontOfIt) {
  OrcKernel guest;
  const auto entry = guest.function("asm_exc_int3");
  guest.row({.address = entry, .sp_reg = fake::kSp, .type = fake::kRegs, .signal = true});
  const auto probed = guest.plain("probed", 0);
  guest.row({.address = probed + 1, .sp_reg = fake::kSp, .sp_offset = 16});
  guest.memory.put(probed, std::uint8_t{0xcc});
  const auto fork = guest.function("ret_from_fork");
  guest.row({.address = fork, .end = true});
  const std::uint64_t frame = kTop - 0x300;
  guest.registers(frame, probed + 1, kTop - 0x100);
  guest.push(kTop - 0x100, guest.after_call(fork, 0x22));
  const auto trace = guest.walk(entry + 0x10, frame);
  ASSERT_THAT(functions_of(trace), ElementsAre("asm_exc_int3", "probed", "ret_from_fork"));
  EXPECT_EQ(trace.frames[1].at.offset, 1u);
  EXPECT_TRUE(trace.frames[2].reliable);
}

// In a kprobe's post-handler the push of two bytes has been executed, and RIP is behind it.
TEST(UnwindX86, AProbedInstructionThatWasExecutedIsLeftByWhatHoldsBehindIt) {
  OrcKernel guest;
  const auto entry = guest.function("asm_exc_int3");
  guest.row({.address = entry, .sp_reg = fake::kSp, .type = fake::kRegs, .signal = true});
  const auto probed = guest.plain("probed", 0);
  guest.row({.address = probed + 2, .sp_reg = fake::kSp, .sp_offset = 16});
  guest.memory.put(probed, std::uint8_t{0xcc});
  guest.memory.put(probed + 1, std::uint8_t{0x57});
  const auto fork = guest.function("ret_from_fork");
  guest.row({.address = fork, .end = true});
  const std::uint64_t frame = kTop - 0x300;
  guest.registers(frame, probed + 2, kTop - 0x100);
  guest.push(kTop - 0x100, 0x15);  // the pushed register
  guest.push(kTop - 0xf8, guest.after_call(fork, 0x22));
  const auto trace = guest.walk(entry + 0x10, frame);
  ASSERT_THAT(functions_of(trace), ElementsAre("asm_exc_int3", "probed", "ret_from_fork"));
  EXPECT_EQ(trace.frames[1].at.offset, 2u);
  EXPECT_TRUE(trace.frames[2].reliable);
}

TEST(UnwindX86, AnExceptionFrameAloneKeepsTheRegistersThatAreKnown) {
  OrcKernel guest;
  const auto entry = guest.function("asm_exc_page_fault");
  guest.row({.address = entry, .sp_reg = fake::kSp, .type = fake::kRegsPartial, .signal = true});
  const auto leaf = guest.function("leaf");
  guest.row({.address = leaf, .sp_reg = fake::kR10, .sp_offset = 0});
  const auto caller = guest.function("ret_from_fork");
  guest.row({.address = caller, .end = true});
  guest.push(kTop - 0x100, leaf + 4);
  guest.push(kTop - 0x100 + 8, 0x10);
  guest.push(kTop - 0x100 + 24, kTop - 0x80);
  guest.push(kTop - 0x100 + 32, 0x18);
  guest.push(kTop - 0x48, guest.after_call(caller, 0x22));
  UnwindPoint start{VirtAddr{entry + 2}, VirtAddr{kTop - 0x100}, {}, true, {}};
  start.registers = {{"R10", kTop - 0x40}, {"RSP", 7}};
  const auto trace = guest.walk(start);
  ASSERT_THAT(functions_of(trace), ElementsAre("asm_exc_page_fault", "leaf", "ret_from_fork"));
  EXPECT_EQ(register_value(trace.frames[1].registers, "RSP"), kTop - 0x80);
}

TEST(UnwindX86, ACallOfNullIsLeftByTheReturnAddressOnTheStack) {
  OrcKernel guest;
  const auto caller = guest.plain("caller", 0);
  guest.push(kTop - 0x108, guest.after_call(caller, 0x10));
  guest.push(kTop - 0x100, add_syscall_entry(guest));
  // plain() and the pt_regs of the entry do not meet: the walk is lost later, which is not the
  // point.
  auto trace = guest.walk(0, kTop - 0x108);
  ASSERT_GE(trace.frames.size(), 2u);
  EXPECT_EQ(trace.frames[1].at.function, "caller");
  EXPECT_TRUE(trace.frames[1].reliable);
  EXPECT_THAT(trace.frames[1].note, HasSubstr("the CPU was sent to 0x0, which is no code"));
  trace = guest.walk(OrcKernel::kModule + 0x1000, kTop - 0x108);  // of a module that is gone
  EXPECT_EQ(trace.frames[1].at.function, "caller");
  EXPECT_FALSE(trace.frames[1].note.empty());
}

TEST(UnwindX86, ACallThatCanOnlyHaveLedToWhereThereIsNoCodeLeavesNoDoubt) {
  constexpr std::uint64_t kNowhere = OrcKernel::kData + 0x10;
  const auto walk = [](std::vector<std::uint8_t> call, std::uint64_t rbx) {
    OrcKernel guest;
    const auto caller = guest.plain("caller", 0);
    const auto back = guest.after_call(caller, 0x10);
    for (std::size_t i = 0; i < call.size(); ++i) guest.memory.put(back - call.size() + i, call[i]);
    guest.push(kTop - 0x108, back);
    guest.push(kTop - 0x100, add_syscall_entry(guest));
    UnwindPoint start;
    start.pc = VirtAddr{kNowhere};
    start.sp = VirtAddr{kTop - 0x108};
    start.exact = true;
    start.registers = {{"RBX", rbx}, {"R11", kNowhere}};
    return guest.walk(start).frames.at(1);
  };
  const auto through_rbx = walk({0x90, 0x90, 0x90, 0xff, 0xd3}, kNowhere);
  EXPECT_EQ(through_rbx.at.function, "caller");
  EXPECT_TRUE(through_rbx.reliable);
  EXPECT_FALSE(walk({0x90, 0x90, 0x90, 0xff, 0xd3}, kNowhere + 8).reliable);
  EXPECT_TRUE(walk({0x90, 0x90, 0x41, 0xff, 0xd3}, 0).reliable) << "callq *%r11";
  EXPECT_FALSE(walk({0xe8, 0x10, 0x00, 0x00, 0x00}, kNowhere).reliable) << "to somewhere else";
}

TEST(UnwindX86, WhereTheTablesHaveNothingOnlyWordsBehindCallsAreTakenAndMarked) {
  OrcKernel guest;
  const auto blind = guest.function("blind");
  guest.row({.address = blind});
  const auto caller = guest.plain("caller", 1);
  const auto back = add_syscall_entry(guest);
  guest.push(kUserFrame - 0x40, caller + 0x55);  // code, but no call before it
  guest.push(kUserFrame - 0x38, 0x1234);
  guest.push(kUserFrame - 0x18, guest.after_call(caller, 0x20));
  guest.push(kUserFrame - 0x08, back);
  const auto trace = guest.walk(blind + 1, kUserFrame - 0x80);
  // That the exact steps after the guess end where the kernel was entered proves them, not it.
  EXPECT_THAT(functions_of(trace),
              ElementsAre("blind", "? caller", "entry_SYSCALL_64_after_hwframe"));
  EXPECT_THAT(trace.frames[1].note, HasSubstr("guessed"));
  EXPECT_TRUE(trace.complete);
}

TEST(UnwindX86, AFramePointerIsTriedBeforeTheStackIsSearched) {
  OrcKernel guest;
  const auto blind = guest.function("blind");
  const auto stale = guest.plain("stale", 0);
  const auto caller = guest.plain("caller", 0);
  guest.push(kTop - 0x200, guest.after_call(stale, 0x10));
  guest.push(kTop - 0x100, 0);
  guest.push(kTop - 0xf8, guest.after_call(caller, 0x10));
  const auto trace = guest.walk(blind, kTop - 0x210, kTop - 0x100);
  ASSERT_GE(trace.frames.size(), 2u);
  EXPECT_EQ(trace.frames[1].at.function, "caller");
  EXPECT_THAT(trace.frames[1].note, HasSubstr("frame pointer"));
}

TEST(UnwindX86, AReturnAddressThatIsNoCodeIsNotShownAsAFunction) {
  OrcKernel guest;
  const auto victim = guest.plain("victim", 0);
  guest.push(kTop - 0x100, 0x4141'4141'4141'4141);
  const auto trace = guest.walk(victim + 1, kTop - 0x100);
  EXPECT_THAT(functions_of(trace), ElementsAre("victim"));
  EXPECT_FALSE(trace.complete);
  EXPECT_THAT(trace.end, HasSubstr("0x4141414141414141 at"));
}

TEST(UnwindX86, ASleepingTaskGoesOnWhereItWasSwitchedAway) {
  OrcKernel guest;
  const auto schedule = guest.plain("__schedule", 1);
  const auto fork = guest.function("ret_from_fork");
  guest.row({.address = fork, .end = true});
  const std::uint64_t frame = kTop - 0x200;
  guest.push(OrcKernel::kTask + 104, frame);
  guest.push(frame + 40, 0xbb);
  guest.push(frame + 48, guest.after_call(schedule, 0x40));
  guest.push(frame + 56 + 8, guest.after_call(fork, 0x22));
  const auto point = x86_64_sleeping(guest.kernel(), VirtAddr{OrcKernel::kTask});
  ASSERT_TRUE(point);
  EXPECT_EQ(point->sp, VirtAddr{frame + 56});
  EXPECT_EQ(point->fp, VirtAddr{0xbb});
  EXPECT_FALSE(point->exact);
  EXPECT_THAT(functions_of(guest.walk(*point)), ElementsAre("__schedule", "ret_from_fork"));

  guest.push(frame + 48, fork);
  const auto unborn = x86_64_sleeping(guest.kernel(), VirtAddr{OrcKernel::kTask});
  EXPECT_TRUE(unborn->exact) << "a new task begins there, without a call before";
  EXPECT_THAT(functions_of(guest.walk(*unborn)), ElementsAre("ret_from_fork"));
}

TEST(UnwindX86, NothingOutsideOfTheStacksIsRead) {
  OrcKernel guest;
  const auto f = guest.plain("f", 0);
  guest.memory.put(0xffff'8880'0000'1000, guest.after_call(f, 0x10));
  const auto trace = guest.walk(f, 0xffff'8880'0000'1000);
  EXPECT_THAT(trace.frames, SizeIs(1));
  EXPECT_THAT(trace.end, HasSubstr("is on no stack"));
}

TEST(UnwindX86, AReturnAddressThatAKretprobeReplacedIsFoundWithTheTask) {
  OrcKernel guest;
  const auto probed = guest.plain("probed", 0);
  const auto trampoline = guest.plain("arch_rethook_trampoline", 7);
  const auto caller = guest.plain("caller", 0);
  const int u64 = guest.types.integer("u64", 8);
  const int node = guest.types.structure("llist_node", 8, {{"next", u64, 0}});
  guest.types.structure("rethook_node", 48,
                        {{"llist", node, 16}, {"ret_addr", u64, 32}, {"frame", u64, 40}});
  const std::uint64_t slot = kTop - 0x200, at = OrcKernel::kTask + 0x800;
  guest.push(slot, trampoline);
  guest.push(slot + 8, guest.after_call(caller, 0x40));
  guest.push(OrcKernel::kTask + 112, at + 16);
  guest.push(at + 32, guest.after_call(caller, 0x10));
  guest.push(at + 40, slot);
  UnwindPoint start{VirtAddr{probed + 2}, VirtAddr{slot}, {}, true, {}};
  start.task = VirtAddr{OrcKernel::kTask};
  auto trace = guest.walk(start);
  ASSERT_GE(trace.frames.size(), 2u);
  EXPECT_EQ(trace.frames[1].at.function, "caller");
  EXPECT_EQ(trace.frames[1].at.offset, 0x10u);
  EXPECT_TRUE(trace.frames[1].reliable);
  EXPECT_THAT(trace.frames[1].note, HasSubstr("kretprobe"));

  start.task = std::nullopt;
  trace = guest.walk(start);
  ASSERT_GE(trace.frames.size(), 2u);
  EXPECT_EQ(trace.frames[1].at.offset, 0x40u) << "the next one is a guess";
  EXPECT_FALSE(trace.frames[1].reliable);
}

TEST(UnwindX86, AFtraceTrampolineIsUnwoundAsWhatItIsACopyOf) {
  OrcKernel guest;
  const int u64 = guest.types.integer("u64", 8);
  guest.types.structure(
      "ftrace_ops", 40,
      {{"next", u64, 0}, {"flags", u64, 8}, {"trampoline", u64, 16}, {"trampoline_size", u64, 24}});
  const std::uint64_t ops = OrcKernel::kData + 0x800, copy = 0xffff'ffff'c010'0000;
  guest.symbols = {{OrcKernel::kData + 0x300, 'D', "ftrace_ops_list"},
                   {OrcKernel::kData + 0x380, 'D', "ftrace_list_end"}};
  guest.memory.put(OrcKernel::kData + 0x300, ops);
  guest.memory.put(ops, OrcKernel::kData + 0x380);
  guest.memory.put(ops + 8, std::uint64_t{1 << 2});
  guest.memory.put(ops + 16, copy);
  guest.memory.put(ops + 24, std::uint64_t{0x200});
  guest.plain("ftrace_caller", 3);
  guest.plain("ftrace_regs_caller", 5);
  const auto traced = guest.plain("traced", 0);
  guest.memory.put(copy, 0ull);
  guest.push(kTop - 0x200 + 40, guest.after_call(traced, 0x10));
  UnwindPoint start{VirtAddr{copy + 0x31}, VirtAddr{kTop - 0x200}, {}, false, {}};
  const auto trace = guest.walk(start);
  ASSERT_GE(trace.frames.size(), 2u);
  EXPECT_EQ(trace.frames[1].at.function, "traced");
  EXPECT_TRUE(trace.frames[1].reliable);
}

}  // namespace
}  // namespace rig::analyzer
