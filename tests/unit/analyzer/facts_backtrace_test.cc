// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/backtrace.h"

#include <gmock/gmock.h>

#include "fakes/orc_kernel.h"

namespace rig::analyzer {
namespace {

using fake::functions_of;
using fake::OrcKernel;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr std::uint64_t kStack = OrcKernel::kStack;
constexpr std::uint64_t kTop = kStack + OrcKernel::kStackSize;

// Steps as a test wants them: the driver is under test, not an architecture's unwinder.
std::vector<UnwindStep> next_steps;
std::size_t taken = 0;

UnwindStep scripted(const Kernel&, std::span<const StackRange>, const UnwindPoint&) {
  return taken < next_steps.size() ? next_steps[taken++] : UnwindStep{};
}

class Driver : public testing::Test {
 protected:
  Driver() : f_(guest_.function("f")), g_(guest_.function("g")) {
    arch_.unwind = scripted;
    next_steps.clear();
    taken = 0;
  }

  void step(std::uint64_t pc, std::uint64_t sp, bool reliable = true) {
    UnwindStep step;
    step.kind = UnwindStep::Kind::kCaller;
    step.next = {VirtAddr{pc}, VirtAddr{sp}, {}, false, {}};
    step.reliable = reliable;
    if (!reliable) step.why = "guessed";
    next_steps.push_back(step);
  }
  void end(UnwindStep::Kind kind, std::string why) {
    UnwindStep step;
    step.kind = kind;
    step.why = std::move(why);
    next_steps.push_back(step);
  }
  Backtrace walk(std::uint64_t sp = kStack + 0x1000) {
    return unwind_from(guest_.kernel(), arch_, guest_.stacks,
                       {VirtAddr{f_}, VirtAddr{sp}, {}, true, {}});
  }

  OrcKernel guest_;
  std::uint64_t f_, g_;
  Architecture arch_ = architecture(Arch::kX86_64);
};

TEST_F(Driver, AReturnAddressBelongsToTheFunctionThatCalled) {
  step(g_ + 0x100, kStack + 0x1010);
  end(UnwindStep::Kind::kEnd, "user mode");
  const auto trace = walk();
  ASSERT_THAT(functions_of(trace), ElementsAre("f", "g"));
  EXPECT_EQ(trace.frames[1].at.offset, 0x100u) << "the call was g's last instruction";
  EXPECT_EQ(trace.frames[1].at.address, VirtAddr{g_ + 0x100});
  EXPECT_TRUE(trace.complete);
}

TEST_F(Driver, AStackThatGoesDownEndsTheWalk) {
  step(g_ + 8, kStack + 0x1100);
  step(g_ + 8, kStack + 0x1080);
  const auto trace = walk();
  EXPECT_THAT(trace.frames, SizeIs(2));
  EXPECT_FALSE(trace.complete);
  EXPECT_THAT(trace.end, HasSubstr("the stack goes down"));
}

TEST_F(Driver, AFunctionWithoutAFrameSharesItsCallersStackOnce) {
  step(g_ + 8, kStack + 0x1000);
  step(f_ + 8, kStack + 0x1000);
  step(g_ + 8, kStack + 0x1000);
  const auto trace = walk();
  EXPECT_THAT(trace.frames, SizeIs(2));
  EXPECT_THAT(trace.end, HasSubstr("does not move"));
}

TEST_F(Driver, AStackIsEnteredOnce) {
  step(g_ + 8, OrcKernel::kIrqStack + 0x100);
  step(f_ + 8, kStack + 0x2000);
  const auto trace = walk();
  ASSERT_THAT(trace.frames, SizeIs(2));
  EXPECT_EQ(trace.frames[0].stack, "stack of task 42 (victim)");
  EXPECT_EQ(trace.frames[1].stack, "IRQ stack of CPU 1");
  EXPECT_THAT(trace.end, HasSubstr("a cycle: it comes back to the stack of task 42"));
}

TEST_F(Driver, AWalkThatNeverEndsIsBounded) {
  guest_.stacks[0].size = 1 << 20;
  for (unsigned i = 0; i < 3000; ++i) step(g_ + 8, kStack + 0x1008 + i * 8);
  const auto trace = walk();
  EXPECT_THAT(trace.frames, SizeIs(1024));
  EXPECT_EQ(trace.end, "more than 1024 frames");
  EXPECT_FALSE(trace.complete);
}

TEST_F(Driver, WhatRestsOnAGuessIsNotReliable) {
  step(g_ + 8, kStack + 0x1010, false);
  step(f_ + 8, kStack + 0x1020);
  end(UnwindStep::Kind::kLost, "no way on");
  EXPECT_THAT(functions_of(walk()), ElementsAre("f", "? g", "? f"));
}

TEST_F(Driver, ThatItEndsWhereTheKernelWasEnteredProvesTheStepsAfterTheLastGuess) {
  step(g_ + 8, kStack + 0x1010, false);
  step(f_ + 8, kStack + 0x1020);
  step(g_ + 8, kStack + 0x1030, false);
  step(f_ + 8, kStack + 0x1040);
  end(UnwindStep::Kind::kEnd, "user mode");
  EXPECT_THAT(functions_of(walk()), ElementsAre("f", "? g", "? f", "? g", "f"));
}

TEST_F(Driver, ATaskWithoutAStackOrOnACpuThatIsNotInTheCoreIsSaidSo) {
  Task task{VirtAddr{OrcKernel::kTask}, "gone", 7, {}};
  EXPECT_EQ(unwind_task(guest_.kernel(), arch_, task).end, "it has no stack any more");
  task.stack = guest_.stacks[0];
  EXPECT_THAT(unwind_task(guest_.kernel(), arch_, task).end, HasSubstr("cannot be read"));
  guest_.memory.put(OrcKernel::kTask + 40, std::uint32_t{1});
  EXPECT_THAT(unwind_task(guest_.kernel(), arch_, task).end, HasSubstr("was running"));
}

TEST_F(Driver, ACpuInUserModeHasNoFramesButItsRegisters) {
  CpuSnapshot cpu;
  cpu.state.user_mode = true;
  cpu.state.pc = VirtAddr{0x401000};
  cpu.state.registers = {{"RAX", 1}};
  const auto trace = unwind_cpu(guest_.kernel(), arch_, cpu);
  EXPECT_TRUE(trace.complete);
  EXPECT_THAT(trace.frames, SizeIs(0));
  EXPECT_EQ(trace.end, "user mode at 0x401000");
  EXPECT_THAT(trace.user_registers, SizeIs(1));
}

// A stack that any table can be pointed at: whatever it holds the walk ends, and soon.
TEST(HostileStack, GarbageEndsTheWalk) {
  OrcKernel guest;
  const auto up = guest.function("up");
  guest.row({.address = up, .sp_reg = fake::kSp, .sp_offset = 8});
  const auto down = guest.function("down");
  guest.row({.address = down, .sp_reg = fake::kSp, .sp_offset = -64});
  const auto indirect = guest.function("indirect");
  guest.row({.address = indirect, .sp_reg = fake::kSpIndirect, .sp_offset = 8});
  const auto regs = guest.function("regs");
  guest.row({.address = regs, .sp_reg = fake::kSp, .type = fake::kRegs});
  std::uint64_t seed = 42;
  const std::uint64_t choices[] = {up, down, indirect, regs, kStack + 0x800, 0, ~0ull, 0x10};
  for (std::uint64_t at = kStack; at < kTop; at += 8) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    guest.push(at, choices[seed >> 61] + (seed >> 40 & 0x3f));
  }
  for (std::uint64_t sp = kStack; sp < kTop; sp += 8) {
    const auto trace = guest.walk(up + 8, sp, sp + 16);
    EXPECT_LE(trace.frames.size(), 1024u);
    EXPECT_FALSE(trace.end.empty());
  }
}

}  // namespace
}  // namespace rig::analyzer
