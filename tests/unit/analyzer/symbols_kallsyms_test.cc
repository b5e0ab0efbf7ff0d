// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/kallsyms.h"

#include <gmock/gmock.h>

#include "fakes/synthetic_kallsyms.h"

namespace rig::analyzer {
namespace {

using fake::FakeVirtMemory;
using fake::KallsymsTables;
using testing::HasSubstr;

constexpr std::uint64_t kText = KallsymsTables::kBase;

KallsymsTables example() {
  return {{{0x0, 'A', "__per_cpu_start"},
           {0x1'fb80, 'D', "current_task"},
           {0x3'0000, 'A', "__per_cpu_end"},
           {kText, 'T', "_stext"},
           {kText + 0x100, 't', "abacus_table"},
           {kText + 0x100, 'T', "alias_of_abacus"},
           {kText + 0x400, 't', "helper"},
           {kText + 0x900, 't', "helper"},
           {kText + 0x1000, 'T', "_etext"}}};
}

struct Loaded {
  FakeVirtMemory memory;
  std::string info;

  explicit Loaded(const KallsymsTables& tables) {
    info = tables.write(memory) + fmt::format("SYMBOL(_stext)={:x}\n", kText);
  }
  Result<Kallsyms> read() const { return Kallsyms::read(memory, Vmcoreinfo(info)); }
};

TEST(Kallsyms, NamesAndAddressesAreFoundBothWays) {
  const auto symbols = Loaded(example()).read();
  ASSERT_TRUE(symbols) << symbols.error().message();
  EXPECT_EQ(symbols->size(), 9u);
  EXPECT_EQ(symbols->address("abacus_table"), VirtAddr{kText + 0x100});
  EXPECT_EQ(symbols->address("abacus"), std::nullopt);
  const auto found = symbols->nearest(VirtAddr{kText + 0x13f});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->name, "abacus_table");
  EXPECT_EQ(found->type, 't');
  EXPECT_EQ(found->address, VirtAddr{kText + 0x100});
}

TEST(Kallsyms, OfSeveralNamesAtOneAddressTheFirstIsTold) {
  const auto symbols = Loaded(example()).read();
  EXPECT_EQ(symbols->nearest(VirtAddr{kText + 0x100})->name, "abacus_table");
  EXPECT_EQ(symbols->address("alias_of_abacus"), VirtAddr{kText + 0x100});
}

TEST(Kallsyms, OfSeveralAddressesOfOneNameTheLowestIsTold) {
  EXPECT_EQ(Loaded(example()).read()->address("helper"), VirtAddr{kText + 0x400});
}

TEST(Kallsyms, PerCpuVariablesAreOffsetsAndNeverAnswerForAddresses) {
  const auto symbols = Loaded(example()).read();
  EXPECT_EQ(symbols->address("current_task"), VirtAddr{0x1'fb80});
  EXPECT_EQ(symbols->nearest_per_cpu(VirtAddr{0x1'fb88})->name, "current_task");
  EXPECT_FALSE(symbols->nearest_per_cpu(VirtAddr{0x3'0000}));
  EXPECT_FALSE(symbols->nearest(VirtAddr{0x1'fb88}));
  EXPECT_FALSE(symbols->nearest(VirtAddr{kText - 1}));
}

TEST(Kallsyms, OffsetsWithoutAbsolutePerCpuCountUpFromTheBase) {
  KallsymsTables tables = example();
  std::erase_if(tables.entries, [](const auto& entry) { return entry.address < kText; });
  tables.absolute_per_cpu = false;
  const auto symbols = Loaded(tables).read();
  ASSERT_TRUE(symbols) << symbols.error().message();
  EXPECT_EQ(symbols->address("helper"), VirtAddr{kText + 0x400});
}

TEST(Kallsyms, NamesOfMoreThan127CharactersHaveALengthOfTwoBytes) {
  KallsymsTables tables = example();
  const std::string name(300, 'x');
  tables.entries.push_back({kText + 0x2000, 'T', name});
  const auto symbols = Loaded(tables).read();
  ASSERT_TRUE(symbols) << symbols.error().message();
  EXPECT_EQ(symbols->address(name), VirtAddr{kText + 0x2000});
}

TEST(Kallsyms, ATableThatDecodesToOtherAddressesThanVmcoreinfoSaysIsRefused) {
  Loaded loaded(example());
  loaded.info += fmt::format("SYMBOL(_stext)={:x}\n", kText + 0x1000);
  const auto symbols = Kallsyms::read(
      loaded.memory, Vmcoreinfo(loaded.info.substr(0, loaded.info.find("SYMBOL(_stext)")) +
                                fmt::format("SYMBOL(_stext)={:x}\n", kText + 0x1000)));
  ASSERT_FALSE(symbols);
  EXPECT_THAT(symbols.error().what, HasSubstr("_stext"));
  EXPECT_EQ(symbols.error().blame, Blame::kInput);
}

TEST(Kallsyms, VmcoreinfoOfAnOlderKernelIsSaidToLackTheTables) {
  const FakeVirtMemory memory;
  const auto symbols = Kallsyms::read(memory, Vmcoreinfo("OSRELEASE=5.10.0\n"));
  ASSERT_FALSE(symbols);
  EXPECT_THAT(symbols.error().what, HasSubstr("kallsyms_names"));
}

TEST(Kallsyms, AMissingPieceOfTheNamesIsAnErrorAndNotAHang) {
  Loaded loaded(example());
  loaded.memory.pages.forget(KallsymsTables::kTables + 0x20'0000);
  const auto symbols = loaded.read();
  ASSERT_FALSE(symbols);
  EXPECT_THAT(symbols.error().what, HasSubstr("cut short"));
}

TEST(Kallsyms, AnImpossibleNumberOfSymbolsIsRefused) {
  for (const std::uint32_t count : {0u, 0xffff'ffffu}) {
    Loaded loaded(example());
    loaded.memory.put(KallsymsTables::kTables, count);
    EXPECT_FALSE(loaded.read());
  }
}

TEST(Kallsyms, AnyDamagedByteOfTheTablesGivesAnAnswerOrAnError) {
  for (std::uint64_t at = 0; at < 96; ++at) {
    for (const std::uint64_t table :
         {0x0ull, 0x1000ull, 0x10'0000ull, 0x10'1000ull, 0x20'0000ull}) {
      Loaded loaded(example());
      loaded.memory.put(KallsymsTables::kTables + table + at, std::uint8_t{0xff});
      const auto symbols = loaded.read();
      if (symbols) symbols->nearest(VirtAddr{kText + 0x450});
    }
  }
}

}  // namespace
}  // namespace rig::analyzer
