// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/arm64_unwind.h"

#include <gmock/gmock.h>

#include "analyzer/arch/arm64_code.h"
#include "analyzer/facts/backtrace.h"
#include "fakes/fake_memory.h"
#include "fakes/synthetic_btf.h"
#include "fakes/synthetic_kallsyms.h"

namespace rig::analyzer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = UnwindStep::Kind;

constexpr std::uint64_t kText = 0xffff'ffff'8100'0000;
constexpr std::uint64_t kCaller = kText + 0x1000, kCallee = kText + 0x1100, kLeaf = kText + 0x1200,
                        kEntry = kText + 0x1300, kHandler = kText + 0x1400,
                        kOnIrqStack = kText + 0x1500, kFork = kText + 0x1600,
                        kUserEntry = kText + 0x1700;
constexpr std::uint64_t kTaskStack = 0xffff'8000'0802'8000, kIrqStack = 0xffff'8000'0800'8000,
                        kStackSize = 0x4000;
constexpr std::uint64_t kStackTop = kTaskStack + kStackSize;
// The struct pt_regs of the entry from user mode, and its frame record.
constexpr std::uint64_t kUserRegs = kStackTop - 336, kFinalRecord = kUserRegs + 304;

constexpr std::uint32_t kNop = 0xd503'201f, kPaciasp = 0xd503'233f, kAutiasp = 0xd503'23bf,
                        kSave = 0xa9be'7bfd, kSetX29 = 0x9100'03fd, kRestore = 0xa8c2'7bfd,
                        kRet = 0xd65f'03c0, kCall = 0x9400'0010, kCallRegister = 0xd63f'0020,
                        kCompareAndBranch = 0xb400'0040, kMovX9X30 = 0xaa1e'03e9;

class Arm64Stack : public testing::Test {
 protected:
  Arm64Stack() {
    fake::KallsymsTables tables;
    tables.entries = {{kText, 'T', "_stext"},
                      {kText + 0x10, 'T', "vectors"},
                      {kCaller, 't', "caller"},
                      {kCallee, 't', "callee"},
                      {kLeaf, 't', "leaf"},
                      {kEntry, 't', "el1h_64_sync"},
                      {kHandler, 't', "el1h_64_sync_handler"},
                      {kOnIrqStack, 't', "call_on_irq_stack"},
                      {kFork, 't', "ret_from_fork"},
                      {kUserEntry, 't', "el0t_64_sync"},
                      {kText + 0x2000, 'T', "_etext"},
                      {kText + 0x3000, 'B', "_end"}};
    info_ = Vmcoreinfo(tables.write(memory_) + fmt::format("SYMBOL(_stext)={:x}\n", kText) +
                       "NUMBER(KERNELPACMASK)=0xffff000000000000\n");
    auto symbols = Kallsyms::read(memory_, info_);
    EXPECT_TRUE(symbols) << symbols.error().message();
    if (symbols) kernel_.emplace(memory_, info_, *std::move(symbols), std::nullopt);
    memory_.put(kTaskStack, std::uint64_t{0});
    for (std::uint64_t at = 0; at < kStackSize; at += 8) {
      memory_.put(kTaskStack + at, std::uint64_t{0});
      memory_.put(kIrqStack + at, std::uint64_t{0});
    }
  }

  void code(std::uint64_t function, const std::vector<std::uint32_t>& instructions) {
    for (std::size_t i = 0; i < instructions.size(); ++i) {
      memory_.put(function + i * 4, instructions[i]);
    }
  }
  void record(std::uint64_t at, std::uint64_t fp, std::uint64_t lr) {
    memory_.put(at, fp);
    memory_.put(at + 8, lr);
  }
  struct Saved {
    std::uint64_t pc, sp, x29, x30, pstate = 0x6040'0005;
  };
  void registers(std::uint64_t at, const Saved& saved) {
    memory_.put(at + 232, saved.x29);
    memory_.put(at + 240, saved.x30);
    memory_.put(at + 248, saved.sp);
    memory_.put(at + 256, saved.pc);
    memory_.put(at + 264, saved.pstate);
  }
  // As the entry code leaves it, with {x29, pc} as its record.
  void exception(std::uint64_t at, const Saved& saved) {
    registers(at, saved);
    record(at + 304, saved.x29, saved.pc);
  }
  void entry_from_user() {
    registers(kUserRegs, {.pc = 0x42'475c, .sp = 0xffff'd000, .x29 = 0, .x30 = 0, .pstate = 0});
    record(kFinalRecord, 0, 0);
  }

  UnwindPoint returned(std::uint64_t pc, std::uint64_t fp) const {
    UnwindPoint at;
    at.pc = VirtAddr{pc};
    at.sp = at.fp.emplace(VirtAddr{fp});
    return at;
  }
  UnwindPoint stopped(std::uint64_t pc, std::uint64_t sp, std::uint64_t x29,
                      std::uint64_t x30) const {
    UnwindPoint at;
    at.pc = VirtAddr{pc};
    at.sp = VirtAddr{sp};
    at.fp = VirtAddr{x29};
    at.exact = true;
    at.registers = {{"x29", x29}, {"x30", x30}};
    return at;
  }
  UnwindStep step(const UnwindPoint& at) const { return unwind_arm64(*kernel_, stacks_, at); }

  fake::FakeVirtMemory memory_;
  Vmcoreinfo info_{""};
  std::optional<Kernel> kernel_;
  std::vector<StackRange> stacks_ = {{"the task's stack", VirtAddr{kTaskStack}, kStackSize},
                                     {"the IRQ stack", VirtAddr{kIrqStack}, kStackSize}};
};

TEST_F(Arm64Stack, AReturnAddressIsReadFromTheFrameRecordWithoutItsAuthenticationCode) {
  record(kStackTop - 0x400, kStackTop - 0x3c0, 0x12b5'ffff'8100'1020);
  const auto found = step(returned(kCallee + 8, kStackTop - 0x400));
  ASSERT_EQ(found.kind, Kind::kCaller) << found.why;
  EXPECT_EQ(found.next.pc, VirtAddr{kCaller + 0x20});
  EXPECT_EQ(found.next.fp, VirtAddr{kStackTop - 0x3c0});
  EXPECT_EQ(found.next.sp, VirtAddr{kStackTop - 0x3c0});
  EXPECT_FALSE(found.next.exact);
  EXPECT_TRUE(found.reliable);
}

TEST_F(Arm64Stack, AnExceptionInTheKernelGivesTheRegistersOfWhatItInterrupted) {
  constexpr std::uint64_t kRegs = kStackTop - 0x600;
  exception(kRegs, {kCallee + 0x10, kRegs + 336, kStackTop - 0x400, kCaller + 4});
  const auto found = step(returned(kEntry + 0x64, kRegs + 304));
  ASSERT_EQ(found.kind, Kind::kException) << found.why;
  EXPECT_EQ(found.next.pc, VirtAddr{kCallee + 0x10});
  EXPECT_EQ(found.next.sp, VirtAddr{kRegs + 336});
  EXPECT_EQ(found.next.fp, VirtAddr{kStackTop - 0x400});
  EXPECT_TRUE(found.next.exact);
  ASSERT_TRUE(found.saved);
  EXPECT_EQ(found.saved->at, VirtAddr{kRegs});
  EXPECT_EQ(register_value(found.next.registers, "x30"), kCaller + 4);
}

TEST_F(Arm64Stack, ARecordWithATypeIsAnExceptionToo) {
  constexpr std::uint64_t kRegs = kStackTop - 0x600;
  registers(kRegs, {kCallee + 0x10, kRegs + 336, kStackTop - 0x400, kCaller + 4});
  record(kRegs + 296, 0, 0);
  memory_.put(kRegs + 312, std::uint64_t{2});
  const auto found = step(returned(kEntry + 0x64, kRegs + 296));
  ASSERT_EQ(found.kind, Kind::kException) << found.why;
  EXPECT_EQ(found.next.pc, VirtAddr{kCallee + 0x10});
  memory_.put(kRegs + 312, std::uint64_t{3});
  EXPECT_EQ(step(returned(kEntry + 0x64, kRegs + 296)).kind, Kind::kLost);
}

TEST_F(Arm64Stack, TheEntryFromUserModeIsTheEndAndHasTheUsersRegisters) {
  entry_from_user();
  const auto found = step(returned(kUserEntry + 0x18c, kFinalRecord));
  ASSERT_EQ(found.kind, Kind::kEnd) << found.why;
  EXPECT_THAT(found.why, HasSubstr("user mode at 0x42475c"));
  ASSERT_TRUE(found.saved);
  EXPECT_EQ(found.saved->at, VirtAddr{kUserRegs});
}

TEST_F(Arm64Stack, TheFirstFunctionOfAKernelThreadIsTheEnd) {
  const auto found = step(returned(kFork + 0x10, kFinalRecord));
  ASSERT_EQ(found.kind, Kind::kEnd) << found.why;
  EXPECT_FALSE(found.saved);
}

TEST_F(Arm64Stack, AnEmptyRecordInTheMiddleOfAStackIsNoEnd) {
  const auto found = step(returned(kCallee + 8, kStackTop - 0x400));
  EXPECT_EQ(found.kind, Kind::kLost);
  EXPECT_THAT(found.why, HasSubstr("empty"));
}

TEST_F(Arm64Stack, TheVectorsBeforeTheySaveAnythingAreTheEnd) {
  const auto found = step(stopped(kText + 0x490, kStackTop, 0xffff'df7e'8970, 0x42'1234));
  EXPECT_EQ(found.kind, Kind::kEnd) << found.why;
  // From the kernel's half they are no end.
  EXPECT_EQ(step(stopped(kText + 0x290, kStackTop, 0xffff'df7e'8970, 0x42'1234)).kind, Kind::kLost);
}

TEST_F(Arm64Stack, WhoWasInterruptedJustNowIsToldAsFarAsX29AndX30Do) {
  constexpr std::uint64_t kVectors = kText + 0x10, kIrq = kVectors + 0x280;
  code(kCallee + 0x20, {kCall});
  // He has saved his record and made no call: his caller is certain, he himself is not told.
  record(kStackTop - 0x400, kStackTop - 0x3c0, kCallee + 0x24);
  for (const std::uint64_t pc : {kIrq, kIrq + 0x10, kEntry + 8}) {
    const auto found =
        step(stopped(pc, kStackTop - 0x400 - 336, kStackTop - 0x400, kCallee + 0x24));
    ASSERT_EQ(found.kind, Kind::kCaller) << found.why;
    EXPECT_EQ(found.next.pc, VirtAddr{kCallee + 0x24});
    EXPECT_EQ(found.next.fp, VirtAddr{kStackTop - 0x3c0});
    EXPECT_TRUE(found.reliable);
    EXPECT_THAT(found.why, HasSubstr("ELR_EL1"));
  }
  // A leaf of the callee's, or the callee behind its call: it is on the way in either case.
  record(kStackTop - 0x400, kStackTop - 0x3c0, kCaller + 0x20);
  for (const std::uint64_t pc : {kIrq, kIrq + 0x10, kEntry + 8}) {
    const auto found =
        step(stopped(pc, kStackTop - 0x400 - 336, kStackTop - 0x400, kCallee + 0x24));
    ASSERT_EQ(found.kind, Kind::kCaller) << found.why;
    EXPECT_EQ(found.next.pc, VirtAddr{kCallee + 0x24});
    EXPECT_EQ(found.next.fp, VirtAddr{kStackTop - 0x400});
    EXPECT_FALSE(found.reliable);
    EXPECT_THAT(found.why, HasSubstr("x30"));
    EXPECT_EQ(step(found.next).next.pc, VirtAddr{kCaller + 0x20});
  }
}

TEST_F(Arm64Stack, WhatTheVectorsHaveDoneToTheStackPointerDoesNotMatter) {
  record(kStackTop - 0x400, kStackTop - 0x3c0, kCallee + 0x24);
  const auto found = step(stopped(kText + 0x298, 0x1234'5678, kStackTop - 0x400, kCallee + 0x24));
  ASSERT_EQ(found.kind, Kind::kCaller) << found.why;
  EXPECT_EQ(found.next.pc, VirtAddr{kCallee + 0x24});
}

TEST_F(Arm64Stack, OnceTheEntryCodeHasSavedTheRegistersTheyTellExactlyWhereItWas) {
  constexpr std::uint64_t kRegs = kStackTop - 0x600;
  code(kCallee + 0x20, {kCall});
  exception(kRegs, {kLeaf + 4, kRegs + 336, kStackTop - 0x400, kCallee + 0x24});
  const auto found = step(stopped(kEntry + 0x60, kRegs, kRegs + 304, kCallee + 0x24));
  ASSERT_EQ(found.kind, Kind::kException) << found.why;
  EXPECT_EQ(found.next.pc, VirtAddr{kLeaf + 4});
  EXPECT_TRUE(found.next.exact);
}

TEST_F(Arm64Stack, TheCallerOfALeafIsInX30) {
  code(kLeaf, {kNop, kNop, kCompareAndBranch, kNop, kRet});
  record(kStackTop - 0x400, kStackTop - 0x3c0, kCaller + 0x20);
  const auto found =
      step(stopped(kLeaf + 0xc, kStackTop - 0x400, kStackTop - 0x400, kCallee + 0x24));
  ASSERT_EQ(found.kind, Kind::kCaller) << found.why;
  EXPECT_EQ(found.next.pc, VirtAddr{kCallee + 0x24});
  EXPECT_EQ(found.next.fp, VirtAddr{kStackTop - 0x400});  // it is that of the caller
  EXPECT_FALSE(found.next.exact);
  EXPECT_TRUE(found.reliable);
  // And from there on by records.
  EXPECT_EQ(step(found.next).next.pc, VirtAddr{kCaller + 0x20});
}

TEST_F(Arm64Stack, BeforeItsRecordIsSavedAndAfterItIsRestoredAFunctionIsLikeALeaf) {
  code(kLeaf, {kPaciasp, kMovX9X30, kCall, kSave, kSetX29, kNop, kRestore, kAutiasp, kRet, kNop});
  record(kStackTop - 0x400, kStackTop - 0x3c0, kCaller + 0x20);
  const auto at = [&](unsigned instruction) {
    return step(stopped(kLeaf + instruction * 4, kStackTop - 0x420, kStackTop - 0x400,
                        0x12b5'ffff'8100'1124));
  };
  for (const unsigned leaf_like : {0u, 1u, 3u, 4u, 7u, 8u}) {
    EXPECT_EQ(at(leaf_like).next.pc, VirtAddr{kCallee + 0x24}) << leaf_like;
    EXPECT_TRUE(at(leaf_like).reliable) << leaf_like;
  }
  for (const unsigned own_record : {5u, 6u}) {
    EXPECT_EQ(at(own_record).next.pc, VirtAddr{kCaller + 0x20}) << own_record;
  }
}

TEST_F(Arm64Stack, X30OfAFunctionThatHasCalledIsNoCaller) {
  code(kCallee, {kCompareAndBranch, kSave, kSetX29, kCall, kNop, kNop});
  record(kStackTop - 0x400, kStackTop - 0x3c0, kCaller + 0x20);
  const auto own =
      step(stopped(kCallee + 0x14, kStackTop - 0x400, kStackTop - 0x400, kCallee + 0x10));
  EXPECT_EQ(own.next.pc, VirtAddr{kCaller + 0x20});
  const auto same =
      step(stopped(kCallee + 0x14, kStackTop - 0x400, kStackTop - 0x400, kCaller + 0x20));
  EXPECT_EQ(same.next.fp, VirtAddr{kStackTop - 0x3c0});
}

TEST_F(Arm64Stack, WhereItDependsOnTheWayTakenX30IsMarkedAsAGuess) {
  code(kLeaf, {kCompareAndBranch, kSave, kSetX29, kNop, kNop, kNop});
  code(kCallee + 0x20, {kCall});
  record(kStackTop - 0x400, kStackTop - 0x3c0, kCaller + 0x20);
  const auto guess =
      step(stopped(kLeaf + 0x10, kStackTop - 0x400, kStackTop - 0x400, kCallee + 0x24));
  EXPECT_EQ(guess.next.pc, VirtAddr{kCallee + 0x24});
  EXPECT_FALSE(guess.reliable);
  EXPECT_FALSE(guess.why.empty());
  // What follows no call is not returned to.
  const auto other =
      step(stopped(kLeaf + 0x10, kStackTop - 0x400, kStackTop - 0x400, kCallee + 0x44));
  EXPECT_EQ(other.next.pc, VirtAddr{kCaller + 0x20});
}

TEST_F(Arm64Stack, AfterACallToNowhereTheCallerIsInX30) {
  code(kCallee + 0x20, {kCallRegister});
  record(kStackTop - 0x400, kStackTop - 0x3c0, kCaller + 0x20);
  for (const std::uint64_t nowhere : {std::uint64_t{0}, std::uint64_t{0xffff'0000'1234'5678}}) {
    const auto found = step(stopped(nowhere, kStackTop - 0x400, kStackTop - 0x400, kCallee + 0x24));
    ASSERT_EQ(found.kind, Kind::kCaller) << found.why;
    EXPECT_EQ(found.next.pc, VirtAddr{kCallee + 0x24});
    EXPECT_TRUE(found.reliable);
    EXPECT_THAT(found.why, HasSubstr("no code"));
  }
  EXPECT_FALSE(step(stopped(0, kStackTop - 0x400, kStackTop - 0x400, kCallee + 0x44)).reliable);
}

TEST_F(Arm64Stack, ARecordLeadsFromTheIrqStackToTheTasksButNeverBack) {
  record(kIrqStack + 0x3ff0, kStackTop - 0x400, kOnIrqStack + 0x30);
  const auto out = step(returned(kCallee + 8, kIrqStack + 0x3ff0));
  ASSERT_EQ(out.kind, Kind::kCaller) << out.why;
  EXPECT_EQ(out.next.sp, VirtAddr{kStackTop - 0x400});

  record(kStackTop - 0x400, kIrqStack + 0x3ff0, kCaller + 0x20);
  const auto back = step(out.next);
  ASSERT_EQ(back.kind, Kind::kCaller);
  const auto end = step(back.next);
  EXPECT_EQ(end.kind, Kind::kLost);
  EXPECT_THAT(end.why, HasSubstr("back down"));
}

TEST_F(Arm64Stack, AnOverflowLeavesTheStackPointerOnNoStack) {
  constexpr std::uint64_t kRegs = kIrqStack + 0x3000;  // stands for the overflow stack
  exception(kRegs, {kCallee + 0x10, kTaskStack - 0x20, kTaskStack + 0x40, kCallee + 0x8});
  record(kTaskStack + 0x40, kTaskStack + 0x80, kCaller + 0x20);
  const auto found = step(returned(kEntry + 0x64, kRegs + 304));
  ASSERT_EQ(found.kind, Kind::kException) << found.why;
  EXPECT_EQ(step(found.next).next.pc, VirtAddr{kCaller + 0x20});
}

TEST_F(Arm64Stack, RecordsThatLeadNowhereEndTheWalkWithAReason) {
  record(kStackTop - 0x400, kStackTop - 0x400, kCaller + 0x20);  // to itself
  const auto self = step(returned(kCallee + 8, kStackTop - 0x400));
  EXPECT_EQ(step(self.next).kind, Kind::kLost);
  record(kStackTop - 0x400, kStackTop - 0x500, kCaller + 0x20);  // downwards
  EXPECT_EQ(step(step(returned(kCallee + 8, kStackTop - 0x400)).next).kind, Kind::kLost);
  record(kStackTop - 0x400, 0x6b6b'6b6b'6b6b'6b6b, 0x6b6b'6b6b'6b6b'6b6b);
  EXPECT_EQ(step(returned(kCallee + 8, kStackTop - 0x400)).kind, Kind::kLost);
  EXPECT_EQ(step(returned(kCallee + 8, kStackTop - 0x404)).kind, Kind::kLost);  // not aligned
  EXPECT_EQ(step(returned(kCallee + 8, kStackTop - 8)).kind, Kind::kLost);  // off the stack's end
  memory_.pages.forget(kStackTop - 0x1000);
  const auto gone = step(returned(kCallee + 8, kStackTop - 0x400));
  EXPECT_EQ(gone.kind, Kind::kLost);
  EXPECT_THAT(gone.why, HasSubstr("not in the core"));
}

TEST_F(Arm64Stack, AnExceptionWhoseStackPointerGoesDownIsACycle) {
  constexpr std::uint64_t kRegs = kStackTop - 0x600;
  exception(kRegs, {kCallee + 0x10, kRegs - 0x100, kRegs - 0x100, kCaller + 4});
  const auto found = step(returned(kEntry + 0x64, kRegs + 304));
  EXPECT_EQ(found.kind, Kind::kLost);
}

TEST_F(Arm64Stack, TheWholeWayFromAnInterruptToUserModeIsWalked) {
  constexpr std::uint64_t kRegs = kStackTop - 0x600;
  code(kLeaf, {kNop, kNop, kRet});
  code(kHandler, {kPaciasp, kSave, kSetX29, kNop, kNop, kNop});
  record(kIrqStack + 0x3f00, kIrqStack + 0x3ff0, kOnIrqStack + 0x24);
  record(kIrqStack + 0x3ff0, kStackTop - 0x640, kEntry + 8);
  record(kStackTop - 0x640, kRegs + 304, kEntry + 0x64);
  exception(kRegs, {kLeaf + 4, kRegs + 336, kStackTop - 0x400, kCallee + 0x24});
  record(kStackTop - 0x400, kStackTop - 0x3c0, kCaller + 0x20);
  record(kStackTop - 0x3c0, kFinalRecord, kUserEntry + 0x8c);
  entry_from_user();

  const auto trace = unwind_from(
      *kernel_, architecture(Arch::kArm64), stacks_,
      stopped(kHandler + 0x10, kIrqStack + 0x3f00, kIrqStack + 0x3f00, kHandler + 0x10));
  std::vector<std::string> functions;
  for (const BacktraceFrame& frame : trace.frames) functions.push_back(frame.at.function);
  EXPECT_THAT(functions, ElementsAre("el1h_64_sync_handler", "call_on_irq_stack", "el1h_64_sync",
                                     "el1h_64_sync", "leaf", "callee", "caller", "el0t_64_sync"));
  EXPECT_TRUE(trace.complete) << trace.end;
  for (const BacktraceFrame& frame : trace.frames) EXPECT_TRUE(frame.reliable);
  ASSERT_EQ(trace.frames.size(), 8u);
  EXPECT_EQ(trace.frames[4].exception, "el1h_64_sync");
  EXPECT_FALSE(trace.frames[4].registers.empty());
}

TEST_F(Arm64Stack, TheEntryCodeThatSavedAFrameIsFoundBehindItsAuthenticationCode) {
  std::vector<std::byte> stack(4096);
  const auto put = [&](std::uint64_t at, std::uint64_t value) {
    std::memcpy(stack.data() + at, &value, sizeof(value));
  };
  put(0xd00, kTaskStack + 0xe00 + 304);
  put(0xd08, 0x12b5'ffff'8100'1364);
  EXPECT_EQ(arm64_entry_of(*kernel_, stack, VirtAddr{kTaskStack}, 0xe00), VirtAddr{kEntry + 0x64});
  EXPECT_FALSE(arm64_entry_of(*kernel_, stack, VirtAddr{kTaskStack}, 0xf00));
}

TEST_F(Arm64Stack, ASleepingTasksStackBeginsWhereItWasSwitchedAway) {
  fake::BtfBuilder types;
  const int u64 = types.integer("u64", 8);
  const int context =
      types.structure("cpu_context", 104, {{"fp", u64, 80}, {"sp", u64, 88}, {"pc", u64, 96}});
  const int thread = types.structure("thread_struct", 128, {{"cpu_context", context, 0}});
  types.structure("task_struct", 256, {{"thread", thread, 64}});
  const Kernel kernel(memory_, info_, {}, types.build());
  constexpr std::uint64_t kTask = 0xffff'0000'0262'4100;
  memory_.put(kTask + 64 + 80, std::uint64_t{kStackTop - 0x400});
  memory_.put(kTask + 64 + 88, std::uint64_t{kStackTop - 0x410});
  memory_.put(kTask + 64 + 96, std::uint64_t{0x12b5'ffff'8100'1120});
  const auto at = arm64_sleeping(kernel, VirtAddr{kTask});
  ASSERT_TRUE(at);
  EXPECT_EQ(at->pc, VirtAddr{kCallee + 0x20});
  EXPECT_EQ(at->fp, VirtAddr{kStackTop - 0x400});
  EXPECT_EQ(at->sp, VirtAddr{kStackTop - 0x410});
  EXPECT_FALSE(at->exact);
  EXPECT_FALSE(arm64_sleeping(kernel, VirtAddr{0x1234}));
}

TEST_F(Arm64Stack, CallsThroughRegistersAreKnownAlsoWithAuthentication) {
  for (const std::uint32_t call :
       {0x9400'0010u, 0x97ff'ff00u, 0xd63f'0020u, 0xd63f'0c3fu, 0xd73f'0822u}) {
    memory_.put(kCallee, call);
    EXPECT_TRUE(arm64_follows_call(*kernel_, VirtAddr{kCallee + 4})) << fmt::format("{:x}", call);
  }
  for (const std::uint32_t other : {kNop, kRet, 0x1400'0010u, 0xd61f'0020u}) {
    memory_.put(kCallee, other);
    EXPECT_FALSE(arm64_follows_call(*kernel_, VirtAddr{kCallee + 4})) << fmt::format("{:x}", other);
  }
}

}  // namespace
}  // namespace rig::analyzer
