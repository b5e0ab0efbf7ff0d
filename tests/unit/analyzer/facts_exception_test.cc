// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/exception_cpu.h"

#include <gmock/gmock.h>

#include "analyzer/facts/pointers.h"
#include "fakes/cpu_watch.h"
#include "fakes/orc_kernel.h"
#include "fakes/synthetic_btf.h"
#include "fakes/synthetic_kallsyms.h"

namespace rig::analyzer {
namespace {

using fake::BtfBuilder;
using fake::FakeVirtMemory;
using fake::KallsymsTables;
using fake::kText;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

// Two CPUs; CPU 1 panicked while it ran task 42. Stacks and types as 6.1 has them.
class Crash : public testing::Test {
 protected:
  static constexpr std::uint64_t kStack = 0xffff'c900'0001'0000;
  static constexpr std::uint64_t kTask = 0xffff'8880'0500'0000;
  static constexpr std::uint64_t kPerCpu = 0xffff'8880'1f40'0000;
  static constexpr std::uint64_t kData = 0xffff'ffff'8300'0000;
  static constexpr std::uint64_t kFrame = kStack + 0x3dc8;

  Crash() {
    BtfBuilder btf;
    const int u32 = btf.integer("unsigned int", 4);
    const int ptr = btf.pointer();
    const int comm = btf.array(btf.integer("char", 1), 16);
    btf.structure("task_struct", 128, {{"stack", ptr, 32}, {"pid", u32, 64}, {"comm", comm, 80}});
    btf.a_union("thread_union", 0x4000, {{"stack", btf.array(btf.integer("long", 8), 2048), 0}});
    KallsymsTables tables{{{0x1'fb80, 'D', "current_task"},
                           {kText, 'T', "_stext"},
                           {kText + 0x100, 'T', "skb_release_data"},
                           {kText + 0x400, 'T', "asm_exc_page_fault"},
                           {kText + 0x500, 'T', "asm_sysvec_apic_timer_interrupt"},
                           {kText + 0x600, 't', "stop_this_cpu"},
                           {kText + 0x700, 'T', "panic"},
                           {kText + 0x1000, 'T', "_etext"},
                           {kData, 'D', "__per_cpu_offset"},
                           {kData + 0x100, 'D', "panic_cpu"},
                           {kData + 0x180, 'D', "nr_cpu_ids"},
                           {kData + 0x200, 'B', "_end"}}};
    info_ = Vmcoreinfo(tables.write(memory_) + fmt::format("SYMBOL(_stext)={:x}\n", kText));
    memory_.put(kData, kPerCpu);
    memory_.put(kData + 8, kPerCpu + 0x10'0000);
    memory_.put(kData + 0x100, std::int32_t{1});
    memory_.put(kData + 0x180, std::uint32_t{8192});
    memory_.put(kPerCpu + 0x10'0000 + 0x1'fb80, kTask);
    memory_.put(kPerCpu + 0x1'fb80, std::uint64_t{0});
    memory_.put(kTask + 32, kStack);
    memory_.put(kTask + 64, std::uint32_t{42});
    memory_.put_text(kTask + 80, "victim");
    for (unsigned i = 0; i < 4; ++i) memory_.put(kStack + i * 0x1000, std::uint64_t{0});
    auto symbols = Kallsyms::read(memory_, *info_);
    kernel_.emplace(memory_, *info_, *std::move(symbols), btf.build());
    frame(kFrame, kText + 0x400 + 0x22);
  }

  // What the entry code leaves on the stack: a return address into it, then the registers.
  void frame(std::uint64_t at, std::uint64_t return_address) {
    memory_.put(at - 8, return_address);
    for (std::uint64_t i = 0; i < 21; ++i) memory_.put(at + i * 8, 0x1000 + i);
    memory_.put(at + 40, std::uint64_t{0x106});
    memory_.put(at + 128, kText + 0x100 + 0xa3);
    memory_.put(at + 136, std::uint64_t{0x10});
    memory_.put(at + 144, std::uint64_t{0x206});
    memory_.put(at + 152, kStack + 0x3e78);
    memory_.put(at + 160, std::uint64_t{0x18});
  }

  static CpuNote note(unsigned index, std::uint64_t rsp) {
    CpuNote note;
    note.index = index;
    note.prstatus.resize(336);
    const std::uint64_t rip = kText + 0x610, cs = 0x10, gs = kPerCpu + index * 0x10'0000;
    std::memcpy(note.prstatus.data() + 112 + 128, &rip, 8);
    std::memcpy(note.prstatus.data() + 112 + 136, &cs, 8);
    std::memcpy(note.prstatus.data() + 112 + 152, &rsp, 8);
    std::memcpy(note.prstatus.data() + 112 + 176, &gs, 8);
    return note;
  }
  std::vector<CpuSnapshot> cpus(std::uint64_t rsp = kStack + 0x3000) {
    return read_cpus({note(0, 0xffff'c900'0000'0000), note(1, rsp)}, *kernel_, arch_, remarks_);
  }

  // The oops that agrees with the frame.
  static oops::Report report() {
    oops::Report report;
    report.kind = "null-deref";
    report.address = 0x106;
    report.panicked = true;
    report.registers = {{"RBX", 0x106},  {"RBP", 0x1004}, {"R15", 0x1000},         {"R14", 0x1001},
                        {"R13", 0x1002}, {"R12", 0x1003}, {"RSP", kStack + 0x3e78}};
    return report;
  }
  std::optional<FoundException> find(const std::vector<oops::Report>& reports,
                                     std::uint64_t rsp = kStack + 0x3000) {
    const auto all = cpus(rsp);
    return find_exception(all, *kernel_, arch_, reports, "Oops: 0002 [#1] PREEMPT SMP\n", remarks_);
  }

  FakeVirtMemory memory_;
  std::optional<Vmcoreinfo> info_;
  std::optional<Kernel> kernel_;
  const Architecture& arch_ = architecture(Arch::kX86_64);
  std::vector<std::string> remarks_;
};

TEST_F(Crash, WhoPanickedIsSeenFromTheStacksWhereTheVariableWasOverwritten) {
  CpuNote in_panic = note(1, kStack + 0x3000);
  const std::uint64_t rip = kText + 0x710;
  std::memcpy(in_panic.prstatus.data() + 112 + 128, &rip, 8);
  for (const std::int32_t garbage : {1531850144, -882199528}) {
    memory_.put(kData + 0x100, garbage);
    const auto all = read_cpus({note(0, kStack), in_panic}, *kernel_, arch_, remarks_);
    ASSERT_THAT(all, SizeIs(2));
    EXPECT_FALSE(all[0].panicking);
    EXPECT_TRUE(all[1].panicking) << garbage;
    EXPECT_THAT(remarks_,
                Contains(fmt::format("panic: panic_cpu holds {}, which is no CPU: it was "
                                     "overwritten. The stack of CPU 1 leads through panic()",
                                     garbage)));
  }
  // -1: nobody did.
  memory_.put(kData + 0x100, std::int32_t{-1});
  for (const CpuSnapshot& cpu : read_cpus({note(0, kStack), in_panic}, *kernel_, arch_, remarks_)) {
    EXPECT_FALSE(cpu.panicking);
  }
}

// crash_kexec(regs): the note has the registers of the exception, which lie below the stack that is
// left then.
TEST_F(Crash, RegistersOfAKdumpsNoteAreTheExceptionsWhereTheyEqualTheReport) {
  CpuNote by_kdump = note(1, kStack + 0x3e78);
  const std::uint64_t pc = kText + 0x100 + 0xa3;
  std::memcpy(by_kdump.prstatus.data() + 112 + 128, &pc, 8);
  for (std::uint64_t i = 0; i < 15; ++i) {
    const std::uint64_t value = i == 5 ? 0x106 : 0x1000 + i;
    std::memcpy(by_kdump.prstatus.data() + 112 + i * 8, &value, 8);
  }
  const auto all = read_cpus({note(0, kStack), by_kdump}, *kernel_, arch_, remarks_);
  const auto found = find_exception(all, *kernel_, arch_, std::vector{report()}, "", remarks_);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->facts.at->function, "skb_release_data");
  EXPECT_EQ(found->facts.at->offset, 0xa3u);
  EXPECT_EQ(found->facts.address, 0x106u);
  EXPECT_EQ(found->sp, VirtAddr{kStack + 0x3e78});
  EXPECT_THAT(found->facts.source, HasSubstr("of CPU 1 in the core's notes; they equal those in"));
  // Of another crash they say nothing.
  oops::Report other = report();
  other.registers["RBX"] = 0x107;
  EXPECT_FALSE(find_exception(all, *kernel_, arch_, std::vector{other}, "", remarks_));
}

TEST_F(Crash, EachCpuHasItsTaskAndTheOneThatPanickedIsKnown) {
  const auto found = cpus();
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_FALSE(found[0].panicking);
  EXPECT_FALSE(found[0].task);
  EXPECT_TRUE(found[1].panicking);
  ASSERT_TRUE(found[1].task);
  EXPECT_EQ(found[1].task->comm, "victim");
  EXPECT_EQ(found[1].task->pid, 42u);
  const auto facts = to_facts(found[1], *kernel_);
  EXPECT_EQ(facts.at->function, "stop_this_cpu");
  EXPECT_EQ(facts.at->offset, 0x10u);
}

TEST_F(Crash, ACpuIsNumberedByItsPerCpuBaseAndNotByItsPlaceInTheDump) {
  auto swapped = note(1, kStack + 0x3000);
  swapped.index = 0;
  const auto found = read_cpus({swapped, note(0, 0)}, *kernel_, arch_, remarks_);
  EXPECT_EQ(found[0].number, 1u);
  EXPECT_TRUE(found[0].panicking);
}

TEST_F(Crash, NoMoreCpusAreLookedAtThanTheKernelSaysThereAre) {
  EXPECT_THAT(kernel_->per_cpu_offsets(4), ElementsAre(kPerCpu, kPerCpu + 0x10'0000, 0, 0));
  memory_.put(kData + 0x180, std::uint32_t{1});
  EXPECT_THAT(kernel_->per_cpu_offsets(4), ElementsAre(kPerCpu));
  memory_.put(kData + 0x180, ~std::uint32_t{0});
  EXPECT_THAT(kernel_->per_cpu_offsets(1 << 20), SizeIs(testing::Le(8192u)));
}

// The table is read once; once per note it would be a hundred million reads.
TEST_F(Crash, AsManyNotesAsAHostileCoreCanHaveCostLittle) {
  std::vector<CpuNote> notes(1 << 14, note(7, kStack));
  const rig::fake::CpuWatch watch;
  EXPECT_THAT(read_cpus(notes, *kernel_, arch_, remarks_), SizeIs(notes.size()));
  EXPECT_LT(watch.seconds(), 3);
}

TEST_F(Crash, TheFrameThatTheLogConfirmsIsTheException) {
  const auto found = find({report()});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->facts.cpu, 1u);
  EXPECT_EQ(found->facts.comm, "victim");
  EXPECT_EQ(found->facts.at->function, "skb_release_data");
  EXPECT_EQ(found->facts.at->offset, 0xa3u);
  EXPECT_EQ(found->facts.address, 0x106u);
  EXPECT_EQ(found->facts.error_code, 2u);
  EXPECT_EQ(register_value(found->facts.registers, "RBX"), 0x106u);
  EXPECT_THAT(found->facts.source, HasSubstr("asm_exc_page_fault"));
  EXPECT_EQ(found->sp, VirtAddr{kStack + 0x3e78});
  EXPECT_TRUE(found->stack.contains(found->sp));
}

// A core that was taken while the oops was still being printed: nobody has panicked yet.
TEST_F(Crash, WithoutAPanicTheCpuThatStandsOnItsStackIsStillInside) {
  memory_.put(kData + 0x100, std::int32_t{-1});
  auto printing = report();
  printing.panicked = false;
  const auto found = find({printing});
  ASSERT_TRUE(found);
  const auto all = cpus();
  EXPECT_FALSE(all[1].panicking);
  EXPECT_EQ(cpu_inside(*found, all), &all[1]);
  const auto gone_on = cpus(kStack + 0x10'0000);
  EXPECT_EQ(cpu_inside(*found, gone_on), nullptr);
}

TEST_F(Crash, AFrameThatOneRegisterContradictsIsNotTheException) {
  auto other = report();
  other.registers["R12"] = 7;
  EXPECT_FALSE(find({other}));
  EXPECT_THAT(remarks_, SizeIs(1));
}

TEST_F(Crash, AFrameOfAnEarlierFaultIsNotTakenForAPanicWithoutException) {
  oops::Report panic;
  panic.kind = "panic";
  panic.panicked = true;
  EXPECT_FALSE(find({panic}));
  EXPECT_THAT(remarks_, SizeIs(0));
}

TEST_F(Crash, AWarningThatWasSurvivedIsNotTheException) {
  auto warning = report();
  warning.panicked = false;
  auto fatal = report();
  fatal.registers["RBX"] = 0x107;
  EXPECT_FALSE(find({warning, fatal}));
}

TEST_F(Crash, WithoutAnyReportAFrameIsOnlyRemarkedOn) {
  EXPECT_FALSE(find({}));
  ASSERT_THAT(remarks_, SizeIs(1));
  EXPECT_THAT(remarks_[0], HasSubstr("no report in the log confirms it"));
}

TEST_F(Crash, FramesOfInterruptsAndThoseBelowTheStackPointerDoNotCount) {
  EXPECT_FALSE(find({report()}, kFrame + 8));
  frame(kFrame, kText + 0x500 + 0x16);
  EXPECT_FALSE(find({report()}));
}

TEST_F(Crash, AFrameIsFoundOnAStackThatIsPartlyMissing) {
  memory_.pages.forget(kStack);
  EXPECT_TRUE(find({report()}));
  memory_.pages.forget(kStack + 0x3000);
  EXPECT_FALSE(find({report()}));
}

TEST_F(Crash, AStackFullOfFramesIsSearchedToItsEnd) {
  for (std::uint64_t at = kStack + 0x1008; at + 168 < kStack + 0x3000; at += 176) {
    frame(at, kText + 0x422);
    memory_.put(at + 40, at);
  }
  EXPECT_EQ(find({report()}, kStack + 0x1000)->facts.address, 0x106u);
}

TEST_F(Crash, RegistersAndStackAreFollowedInWords) {
  Whatis whatis(*kernel_, arch_, 4, {{"stack of task 42 (victim)", VirtAddr{kStack}, 0x4000}}, 2);
  const std::vector<RegisterValue> registers = {
      {"RIP", kText}, {"RAX", kText + 0x123}, {"RBX", 0x106}, {"RCX", ~0ull}, {"RDX", kStack + 8}};
  const auto found = follow_pointers(registers, VirtAddr{kStack + 0x3e78},
                                     {"", VirtAddr{kStack}, 0x4000}, 1'000'000, *kernel_, whatis);
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].from, "register RAX");
  EXPECT_EQ(found[0].what, "code skb_release_data+0x23");
  EXPECT_EQ(found[1].what, "stack of task 42 (victim), 0x3ff8 below its top");
}

// A page fault that the kernel did not survive, in the handler of a breakpoint that it would have.
class NestedCrash : public testing::Test {
 protected:
  static constexpr std::uint64_t kTop = fake::OrcKernel::kStack + fake::OrcKernel::kStackSize;
  static constexpr std::uint64_t kFault = kTop - 0x400, kBreakpoint = kTop - 0x200;

  NestedCrash() {
    const auto panic = guest_.plain("panic", 0);
    const auto dying = guest_.plain("oops_end", 0);
    const auto page_fault = add_entry("asm_exc_page_fault");
    const auto handler = guest_.plain("probe_handler", 0);
    const auto int3 = add_entry("asm_exc_int3");
    const auto probed = guest_.plain("probed", 0);
    const auto fork = guest_.function("ret_from_fork");
    guest_.row({.address = fork, .end = true});
    guest_.push(kFault - 16, guest_.after_call(dying, 0x20));
    guest_.push(kFault - 8, guest_.after_call(page_fault, 0x22));
    guest_.registers(kFault, handler + 0x10, kBreakpoint - 8, false, {{40, 0x106}});
    guest_.push(kBreakpoint - 8, guest_.after_call(int3, 0x22));
    guest_.registers(kBreakpoint, probed + 1, kTop - 0x80);
    guest_.push(kTop - 0x80, guest_.after_call(fork, 0x22));
    cpu_.number = 1;
    cpu_.panicking = true;
    cpu_.stacks = guest_.stacks;
    cpu_.state.pc = VirtAddr{panic + 0x10};
    cpu_.state.sp = VirtAddr{kFault - 16};
    cpu_.state.fault_address = 0x106;
  }

  std::uint64_t add_entry(const std::string& name) {
    const auto at = guest_.function(name);
    guest_.row({.address = at, .sp_reg = fake::kSp, .type = fake::kRegs});
    return at;
  }
  std::optional<FoundException> find(const std::vector<oops::Report>& reports) {
    return find_exception(std::span(&cpu_, 1), guest_.kernel(), architecture(Arch::kX86_64),
                          reports, "", remarks_);
  }

  fake::OrcKernel guest_;
  CpuSnapshot cpu_;
  std::vector<std::string> remarks_;
};

TEST_F(NestedCrash, WithoutALogTheOneWhoseHandlerGaveUpIsProvenByTheWalk) {
  const auto found = find({});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->facts.at->function, "probe_handler");
  EXPECT_EQ(found->sp, VirtAddr{kBreakpoint - 8});
  EXPECT_EQ(found->facts.address, 0x106u);
  EXPECT_EQ(register_value(found->facts.registers, "RBX"), 0x106u);
  EXPECT_THAT(found->facts.source, HasSubstr("the way back from panic() leads through them; no"));
  EXPECT_THAT(remarks_, SizeIs(0));
}

TEST_F(NestedCrash, WhereTheLogAgreesBothConfirmIt) {
  oops::Report report;
  report.kind = "null-deref";
  report.panicked = true;
  report.address = 0x107;
  report.registers = {{"RBX", 0x106}, {"RAX", 0}, {"RCX", 0}, {"RDX", 0}, {"RSI", 0}, {"RDI", 0}};
  const auto found = find({report});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->facts.address, 0x107u) << "what the kernel printed goes first";
  EXPECT_THAT(found->facts.source, HasSubstr("equal those in the kernel's log, and the way back"));
}

TEST_F(NestedCrash, WhereTheLogDisagreesThatIsSaid) {
  oops::Report report;
  report.kind = "null-deref";
  report.panicked = true;
  report.registers = {{"RBX", 7}, {"RAX", 0}, {"RCX", 0}, {"RDX", 0}, {"RSI", 0}, {"RDI", 0}};
  const auto found = find({report});
  ASSERT_TRUE(found);
  EXPECT_THAT(found->facts.source, HasSubstr("no report in the log shows them"));
  EXPECT_THAT(remarks_, SizeIs(1));
}

TEST_F(NestedCrash, OnACpuThatDidNotPanicNothingIsProven) {
  cpu_.panicking = false;
  EXPECT_FALSE(find({}));
}

TEST(ErrorCode, IsTakenFromTheReportsOwnLines) {
  const std::string log = "Oops: 0010 [#1]\n#PF: error_code(0x0002) - not-present page\nend\n";
  EXPECT_EQ(error_code_of(log, 1, 2), 2u);
  EXPECT_EQ(error_code_of(log, 0, 2), 0x10u);
  EXPECT_EQ(error_code_of(log, 2, 9), std::nullopt);
  EXPECT_EQ(error_code_of("Oops: general protection fault\n", 0, 1), std::nullopt);
}

}  // namespace
}  // namespace rig::analyzer
