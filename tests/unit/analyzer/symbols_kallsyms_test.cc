// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/kallsyms.h"

#include <gmock/gmock.h>

#include "fakes/synthetic_kallsyms.h"

namespace rig::analyzer {
namespace {

using fake::FakeVirtMemory;
using fake::KallsymsTables;
using fake::kText;
using testing::HasSubstr;

KallsymsTables example_tables() {
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
  const Loaded loaded(example_tables());
  const auto symbols = loaded.read();
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
  const Loaded loaded(example_tables());
  const auto symbols = loaded.read();
  EXPECT_EQ(symbols->nearest(VirtAddr{kText + 0x100})->name, "abacus_table");
  EXPECT_EQ(symbols->address("alias_of_abacus"), VirtAddr{kText + 0x100});
}

TEST(Kallsyms, OfSeveralAddressesOfOneNameTheLowestIsTold) {
  const Loaded loaded(example_tables());
  EXPECT_EQ(loaded.read()->address("helper"), VirtAddr{kText + 0x400});
}

TEST(Kallsyms, PerCpuVariablesAreOffsetsAndNeverAnswerForAddresses) {
  const Loaded loaded(example_tables());
  const auto symbols = loaded.read();
  EXPECT_EQ(symbols->address("current_task"), VirtAddr{0x1'fb80});
  EXPECT_EQ(symbols->nearest_per_cpu(VirtAddr{0x1'fb88})->name, "current_task");
  EXPECT_FALSE(symbols->nearest_per_cpu(VirtAddr{0x3'0000}));
  EXPECT_FALSE(symbols->nearest(VirtAddr{0x1'fb88}));
  EXPECT_FALSE(symbols->nearest(VirtAddr{kText - 1}));
}

TEST(Kallsyms, OffsetsWithoutAbsolutePerCpuCountUpFromTheBase) {
  KallsymsTables tables = example_tables();
  std::erase_if(tables.entries, [](const auto& entry) { return entry.address < kText; });
  tables.absolute_per_cpu = false;
  const Loaded loaded(tables);
  const auto symbols = loaded.read();
  ASSERT_TRUE(symbols) << symbols.error().message();
  EXPECT_EQ(symbols->address("helper"), VirtAddr{kText + 0x400});
}

TEST(Kallsyms, NamesOfMoreThan127CharactersHaveALengthOfTwoBytes) {
  KallsymsTables tables = example_tables();
  const std::string name(300, 'x');
  tables.entries.push_back({kText + 0x2000, 'T', name});
  const Loaded loaded(tables);
  const auto symbols = loaded.read();
  ASSERT_TRUE(symbols) << symbols.error().message();
  EXPECT_EQ(symbols->address(name), VirtAddr{kText + 0x2000});
}

TEST(Kallsyms, ATableThatDecodesToOtherAddressesThanVmcoreinfoSaysIsRefused) {
  Loaded loaded(example_tables());
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
  Loaded loaded(example_tables());
  loaded.memory.pages.forget(KallsymsTables::kNames);
  const auto symbols = loaded.read();
  ASSERT_FALSE(symbols);
  EXPECT_THAT(symbols.error().what, HasSubstr("cut short"));
}

// A thousand functions, 16 bytes apart.
KallsymsTables many() {
  KallsymsTables tables{{{kText, 'T', "_stext"}}};
  for (unsigned i = 1; i < 1000; ++i) {
    tables.entries.push_back({kText + i * 16, 't', fmt::format("function_{}_ab", i)});
  }
  return tables;
}

void expect_all(const Kallsyms& symbols) {
  for (const unsigned i : {1u, 255u, 256u, 257u, 511u, 768u, 999u}) {
    const auto name = fmt::format("function_{}_ab", i);
    EXPECT_EQ(symbols.address(name), VirtAddr{kText + i * 16});
    const auto found = symbols.nearest(VirtAddr{kText + i * 16 + 15});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->name, name);
  }
  EXPECT_EQ(symbols.next_after(VirtAddr{kText + 17}), VirtAddr{kText + 32});
  EXPECT_EQ(symbols.next_after(VirtAddr{kText + 999 * 16}), std::nullopt);
  EXPECT_EQ(symbols.lost(), 0u);
}

TEST(Kallsyms, MarkersLeadToNamesWhereverAKernelKeepsThem) {
  KallsymsTables tables = many();
  const Loaded right_before(tables);
  expect_all(*right_before.read());
  tables.behind_markers = 3000;  // kallsyms_seqs_of_names[]: 3 bytes for each of 1000
  const Loaded farther(tables);
  expect_all(*farther.read());
}

TEST(Kallsyms, WithoutMarkersOrWithWrongOnesTheNamesAreCounted) {
  KallsymsTables tables = many();
  tables.markers = false;
  const Loaded without(tables);
  expect_all(*without.read());
  tables.markers = true;
  Loaded wrong(tables);
  wrong.memory.put(KallsymsTables::kTokenTable - 12, std::uint32_t{600});
  expect_all(*wrong.read());
}

TEST(Kallsyms, APageOfNamesThatIsMissingCostsItsNamesOnly) {
  Loaded loaded(many());
  loaded.memory.pages.forget(KallsymsTables::kNames + 0x1000);
  const auto symbols = loaded.read();
  ASSERT_TRUE(symbols) << symbols.error().message();
  EXPECT_EQ(symbols->address("function_100_ab"), VirtAddr{kText + 1600});
  EXPECT_EQ(symbols->address("function_999_ab"), VirtAddr{kText + 999 * 16});
  EXPECT_EQ(symbols->address("function_400_ab"), std::nullopt);
  EXPECT_EQ(symbols->nearest(VirtAddr{kText + 6400}), std::nullopt);
  EXPECT_GT(symbols->lost(), 250u);
  EXPECT_LT(symbols->lost(), 512u);
}

TEST(Kallsyms, OneNameTenThousandTimesIsNoTenThousandSquared) {
  KallsymsTables tables = many();
  for (unsigned i = 1000; i < 11'000; ++i) tables.entries.push_back({kText + i * 16, 't', "same"});
  const Loaded loaded(tables);
  const auto symbols = loaded.read();
  ASSERT_TRUE(symbols) << symbols.error().message();
  for (unsigned i = 0; i < 1000; ++i) {
    ASSERT_EQ(symbols->address("same"), VirtAddr{kText + 16'000});
  }
}

TEST(Kallsyms, AddressesOutOfOrderGiveNoAnswerRatherThanAWrongOne) {
  Loaded loaded(many());
  for (unsigned i = 300; i < 400; ++i) {
    loaded.memory.put(KallsymsTables::kTables + 0x1000 + i * 4, -1 - static_cast<int>(i % 7));
  }
  const auto symbols = loaded.read();
  ASSERT_TRUE(symbols) << symbols.error().message();
  for (unsigned i = 1; i < 1000; ++i) {
    const auto found = symbols->nearest(VirtAddr{kText + i * 16});
    EXPECT_TRUE(!found || found->address <= VirtAddr{kText + i * 16});
  }
}

TEST(Kallsyms, AnImpossibleNumberOfSymbolsIsRefused) {
  for (const std::uint32_t count : {0u, 0xffff'ffffu}) {
    Loaded loaded(example_tables());
    loaded.memory.put(KallsymsTables::kTables, count);
    EXPECT_FALSE(loaded.read());
  }
}

TEST(Kallsyms, AnyDamagedByteOfTheTablesGivesAnAnswerOrAnError) {
  for (std::uint64_t at = 0; at < 96; ++at) {
    for (const std::uint64_t table : {0x0ull, 0x1000ull, 0x8'0000ull, 0x10'0000ull, 0x10'1000ull}) {
      Loaded loaded(example_tables());
      loaded.memory.put(KallsymsTables::kTables + table + at, std::uint8_t{0xff});
      const auto symbols = loaded.read();
      if (!symbols) continue;
      symbols->nearest(VirtAddr{kText + 0x450});
      symbols->address("helper");
    }
  }
}

}  // namespace
}  // namespace rig::analyzer
