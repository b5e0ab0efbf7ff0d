// SPDX-License-Identifier: Apache-2.0
// What must hold for every row of kArchitectures.
#include <gmock/gmock.h>

#include "analyzer/arch/architecture.h"
#include "fakes/arm64_tables.h"
#include "fakes/fake_memory.h"

namespace rig::analyzer {
namespace {

using fake::FakePhysMemory;
using fake::FakeVirtMemory;
using testing::HasSubstr;
using testing::SizeIs;

// What a test needs of one architecture, written as its kernel, hypervisor and entry code would.
class Machine {
 public:
  virtual ~Machine() = default;

  // A kernel whose image lies at kImage and kPhysical: its page tables, and its VMCOREINFO.
  virtual std::string boot(FakePhysMemory& memory) const = 0;
  virtual CpuNote note(std::uint64_t pc, std::uint64_t sp, bool user) const = 0;
  // A stack with the struct pt_regs of an exception at `at`, below it what its entry code called.
  virtual std::vector<std::byte> exception(std::uint64_t stack, std::uint64_t at, std::uint64_t pc,
                                           std::uint64_t sp, std::uint64_t entry,
                                           bool user) const = 0;

  static constexpr std::uint64_t kPhysical = 0x1000'0000;
  std::uint64_t image = 0;
};

template <typename T>
void put(std::vector<std::byte>& bytes, std::uint64_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(value));
}

class X86Machine final : public Machine {
 public:
  X86Machine() { image = 0xffff'ffff'9e00'0000; }
  std::string boot(FakePhysMemory& memory) const override {
    const std::uint64_t tables[] = {kPhysical, kPhysical + 0x1000, kPhysical + 0x2000};
    memory.put(tables[0] + (image >> 39 & 511) * 8, tables[1] | 0x63);
    memory.put(tables[1] + (image >> 30 & 511) * 8, tables[2] | 0x63);
    memory.put(tables[2] + (image >> 21 & 511) * 8, kPhysical | 0xe3);
    return fmt::format("SYMBOL(swapper_pg_dir)={:x}\nSYMBOL(_stext)={:x}\nNUMBER(phys_base)={}\n",
                       image, image + 0x10'0000,
                       static_cast<std::int64_t>(kPhysical - (image - 0xffff'ffff'8000'0000)));
  }
  CpuNote note(std::uint64_t pc, std::uint64_t sp, bool user) const override {
    CpuNote note;
    note.prstatus.resize(336);
    put(note.prstatus, 112 + 128, pc);
    put(note.prstatus, 112 + 152, sp);
    put(note.prstatus, 112 + 136, std::uint64_t{user ? 0x33u : 0x10u});
    return note;
  }
  std::vector<std::byte> exception(std::uint64_t, std::uint64_t at, std::uint64_t pc,
                                   std::uint64_t sp, std::uint64_t entry,
                                   bool user) const override {
    std::vector<std::byte> stack(4096);
    put(stack, at - 8, entry);
    put(stack, at + 128, pc);
    put(stack, at + 136, std::uint64_t{user ? 0x33u : 0x10u});
    put(stack, at + 144, std::uint64_t{0x206});
    put(stack, at + 152, sp);
    put(stack, at + 160, std::uint64_t{user ? 0x2bu : 0x18u});
    return stack;
  }
};

class Arm64Machine final : public Machine {
 public:
  Arm64Machine() { image = 0xffff'bb85'f680'0000; }
  std::string boot(FakePhysMemory& memory) const override {
    static_assert(fake::Arm64Tables::kRoot == kPhysical);
    fake::Arm64Tables tables({});
    tables.map(image, kPhysical, 2);
    memory = tables.memory;
    return fmt::format(
        "PAGESIZE=4096\nSYMBOL(swapper_pg_dir)={:x}\nSYMBOL(_stext)={:x}\nNUMBER(VA_BITS)=48\n"
        "NUMBER(kimage_voffset)={:#x}\nNUMBER(TCR_EL1_T1SZ)=0x10\n",
        image, image + 0x10'0000, image - kPhysical);
  }
  CpuNote note(std::uint64_t pc, std::uint64_t sp, bool user) const override {
    CpuNote note;
    note.prstatus.resize(392);
    put(note.prstatus, 112 + 256, pc);
    put(note.prstatus, 112 + 248, sp);
    put(note.prstatus, 112 + 264, std::uint64_t{user ? 0u : 5u});
    return note;
  }
  std::vector<std::byte> exception(std::uint64_t stack_at, std::uint64_t at, std::uint64_t pc,
                                   std::uint64_t sp, std::uint64_t entry,
                                   bool user) const override {
    std::vector<std::byte> stack(4096);
    put(stack, at - 0x40, stack_at + at + 304);
    put(stack, at - 0x38, entry);
    put(stack, at + 232, sp);
    put(stack, at + 248, sp);
    put(stack, at + 256, pc);
    put(stack, at + 264, std::uint64_t{user ? 0x6000'0000u : 0x6040'0005u});
    put(stack, at + 304, user ? 0 : sp);
    put(stack, at + 312, user ? 0 : pc);
    return stack;
  }
};

const Machine& machine(Arch arch) {
  static const X86Machine x86;
  static const Arm64Machine arm64;
  return arch == Arch::kX86_64 ? static_cast<const Machine&>(x86) : arm64;
}

class EveryArchitecture : public testing::TestWithParam<Arch> {
 protected:
  static constexpr std::uint64_t kStack = 0xffff'8880'0408'0000, kAt = 0xe00;

  const Architecture& arch() const { return architecture(GetParam()); }
  const Machine& machine() const { return analyzer::machine(GetParam()); }
  FakeVirtMemory memory_;
  Vmcoreinfo info_{""};
  Kernel kernel_{memory_, info_, {}, {}};
};
INSTANTIATE_TEST_SUITE_P(Table, EveryArchitecture, testing::Values(Arch::kX86_64, Arch::kArm64),
                         [](const auto& row) { return std::string(to_string(row.param)); });

TEST_P(EveryArchitecture, HasARowOfItsOwn) {
  EXPECT_EQ(arch().arch, GetParam());
}

TEST_P(EveryArchitecture, FindsItsPageTablesThroughVmcoreinfo) {
  FakePhysMemory memory;
  const Vmcoreinfo info(machine().boot(memory));
  const auto space = arch().open_kernel(memory, info, {});
  ASSERT_TRUE(space) << space.error().message();
  EXPECT_EQ(space->memory->translate(VirtAddr{machine().image + 0x1234}),
            PhysAddr{Machine::kPhysical + 0x1234});
  EXPECT_FALSE(space->memory->translate(VirtAddr{machine().image + (2 << 20)}));
  EXPECT_GE(space->levels, 2u);
  EXPECT_THAT(space->remarks, SizeIs(0));
}

TEST_P(EveryArchitecture, SaysWhatVmcoreinfoLacksInsteadOfGuessing) {
  const auto space = arch().open_kernel(FakePhysMemory(), Vmcoreinfo(""), {});
  ASSERT_FALSE(space);
  EXPECT_THAT(space.error().what, HasSubstr("VMCOREINFO has no"));
  EXPECT_EQ(space.error().blame, Blame::kInput);
}

TEST_P(EveryArchitecture, DecodesWhereACpuWas) {
  const auto kernel = arch().decode_cpu(machine().note(0xffff'ffff'8100'1234, kStack, false));
  ASSERT_TRUE(kernel);
  EXPECT_EQ(kernel->pc, VirtAddr{0xffff'ffff'8100'1234});
  EXPECT_EQ(kernel->sp, VirtAddr{kStack});
  EXPECT_FALSE(kernel->user_mode);
  EXPECT_TRUE(arch().decode_cpu(machine().note(0x40'1234, 0x7fff'0000, true))->user_mode);
}

TEST_P(EveryArchitecture, DecodesNothingFromNothing) {
  EXPECT_FALSE(arch().decode_cpu(CpuNote{}));
  EXPECT_FALSE(arch().decode_frame({}, VirtAddr{0}));
  EXPECT_FALSE(arch().entry_of(kernel_, {}, VirtAddr{0}, 0));
  CpuNote note;
  note.prstatus.resize(200);
  EXPECT_FALSE(arch().decode_cpu(note));
  EXPECT_FALSE(arch().decode_frame(std::vector<std::byte>(arch().frame_size), VirtAddr{0}));
}

TEST_P(EveryArchitecture, GivesEveryRegisterOnceAndTheProgramCounterFirst) {
  CpuNote note;
  note.prstatus.resize(1024);
  const auto state = arch().decode_cpu(note);
  ASSERT_TRUE(state);
  std::vector<std::string> names;
  for (const auto& each : state->registers) names.push_back(each.name);
  EXPECT_THAT(names[0], testing::AnyOf("RIP", "pc"));
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::unique(names).begin(), names.end());
}

TEST_P(EveryArchitecture, FindsTheRegistersOfAnExceptionAndWhoSavedThem) {
  constexpr std::uint64_t kPc = 0xffff'ffff'8100'1234, kEntryCode = 0xffff'ffff'8200'0022;
  const auto stack = machine().exception(kStack, kAt, kPc, kStack + 0xf80, kEntryCode, false);
  const auto bytes = ByteView(stack);
  unsigned frames = 0;
  for (std::uint64_t at = 8; at + arch().frame_size <= bytes.size(); at += 8) {
    const auto frame = arch().decode_frame(bytes.subspan(at, arch().frame_size), VirtAddr{at});
    if (!frame) continue;
    ++frames;
    EXPECT_EQ(at, kAt);
    EXPECT_EQ(frame->pc, VirtAddr{kPc});
    EXPECT_EQ(frame->sp, VirtAddr{kStack + 0xf80});
    EXPECT_EQ(frame->registers.size(),
              arch().decode_cpu(machine().note(0, 0, false))->registers.size());
  }
  EXPECT_EQ(frames, 1u);
  EXPECT_EQ(arch().entry_of(kernel_, bytes, VirtAddr{kStack}, kAt), VirtAddr{kEntryCode});
}

TEST_P(EveryArchitecture, TellsRegistersOfUserModeFromThoseOfTheKernel) {
  const auto stack = machine().exception(kStack, kAt, 0x40'1234, 0x7fff'0000, 0, true);
  const auto bytes = ByteView(stack);
  for (std::uint64_t at = 0; at + arch().frame_size <= bytes.size(); at += 8) {
    EXPECT_FALSE(arch().decode_frame(bytes.subspan(at, arch().frame_size), VirtAddr{at})) << at;
  }
}

TEST_P(EveryArchitecture, WorksWithoutSymbolsAndTypes) {
  EXPECT_FALSE(arch().current_task(kernel_, 0));
  EXPECT_THAT(arch().cpu_stacks(kernel_, 0), SizeIs(0));
  EXPECT_THAT(arch().stacks_around(kernel_, VirtAddr{kStack}), SizeIs(0));
  EXPECT_FALSE(arch().layout(kernel_).direct_map);
  EXPECT_FALSE(arch().sleeping(kernel_, VirtAddr{kStack}));
}

TEST_P(EveryArchitecture, SaysWhyAWalkCannotGoOn) {
  const StackRange stack{"the stack", VirtAddr{kStack}, 4096};
  for (const std::uint64_t sp : {kStack + 0x100, kStack - 8, std::uint64_t{0}, ~std::uint64_t{0}}) {
    UnwindPoint at;
    at.pc = VirtAddr{0xffff'ffff'8100'1234};
    at.sp = VirtAddr{sp};
    at.fp = VirtAddr{sp};
    const auto step = arch().unwind(kernel_, std::span(&stack, 1), at);
    EXPECT_EQ(step.kind, UnwindStep::Kind::kLost);
    EXPECT_FALSE(step.why.empty());
  }
}

TEST_P(EveryArchitecture, TellsTheKernelsAddressesFromTheUsers) {
  EXPECT_EQ(arch().region(kernel_, 4, VirtAddr{0x106}).words, "in the NULL page");
  EXPECT_FALSE(arch().region(kernel_, 4, VirtAddr{0x7f00'1234'5678}).worth_asking);
  EXPECT_TRUE(arch().region(kernel_, 4, VirtAddr{0xffff'8000'0800'0000}).worth_asking);
  EXPECT_THAT(arch().region(kernel_, 4, VirtAddr{0xdead'0000'0000'0100}).words,
              HasSubstr("list poison"));
}

}  // namespace
}  // namespace rig::analyzer
