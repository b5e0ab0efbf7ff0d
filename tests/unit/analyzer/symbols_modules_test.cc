// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/modules.h"

#include <gmock/gmock.h>

#include "analyzer/symbols/kernel.h"
#include "analyzer/symbols/name_index.h"
#include "analyzer/symbols/symbol_address.h"
#include "fakes/fake_memory.h"
#include "fakes/synthetic_btf.h"

namespace rig::analyzer {
namespace {

using fake::BtfBuilder;
using fake::FakeVirtMemory;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// One module, toa, with a function and a variable; struct module as 6.1 has it, or as 6.4.
class LoadedModule : public testing::TestWithParam<bool> {
 protected:
  static constexpr std::uint64_t kList = 0xffff'ffff'82b0'0000;
  static constexpr std::uint64_t kModule = 0xffff'ffff'c050'8000;
  static constexpr std::uint64_t kTextAt = 0xffff'ffff'c050'6000;
  static constexpr std::uint64_t kTables = 0xffff'ffff'c060'0000;
  static constexpr std::uint64_t kPerCpu = 0x3'dff0;

  LoadedModule() {
    memory_.put(kList, kModule + 8);
    memory_.put(kModule + 8, kList);
    memory_.put_text(kModule + 24, "toa");
    memory_.put(kModule + 96, kTables);  // kallsyms
    if (GetParam()) {
      memory_.put(kModule + 128, kTextAt);
      memory_.put(kModule + 136, std::uint32_t{0x1000});
      memory_.put(kModule + 144, kTextAt + 0x1000);
      memory_.put(kModule + 152, std::uint32_t{0x1000});
    } else {
      memory_.put(kModule + 128, kTextAt);
      memory_.put(kModule + 136, std::uint32_t{0x2000});
      memory_.put(kModule + 140, std::uint32_t{0x1000});
    }
    memory_.put(kTables, kTables + 0x100);       // symtab
    memory_.put(kTables + 8, std::uint32_t{6});  // num_symtab
    memory_.put(kTables + 16, kTables + 0x800);  // strtab
    memory_.pages.write(kTables + 0x800,
                        as_bytes(std::string_view("\0get_name\0calls\0gone\0$x\0hits\0", 29)));
    symbol(0, 0, 0, 0);
    symbol(1, 1, 1, kTextAt + 0x40);
    symbol(2, 10, 3, kTextAt + 0x1008);
    symbol(3, 16, 0, kTextAt + 0x80);  // not defined in this module
    symbol(4, 21, 1, kTextAt + 0x40);  // arm64's mark of where code begins
    symbol(5, 24, 5, kPerCpu + 8);
    memory_.put(kModule + 168, kPerCpu);
    memory_.put(kModule + 176, std::uint32_t{16});
  }

  void symbol(unsigned index, std::uint32_t name, std::uint16_t section, std::uint64_t value) {
    const auto at = kTables + 0x100 + index * 24;
    memory_.put(at, name);
    memory_.put(at + 6, section);
    memory_.put(at + 8, value);
  }

  static Btf types() {
    BtfBuilder btf;
    const int u32 = btf.integer("unsigned int", 4);
    const int ptr = btf.pointer();
    const int list = btf.structure("list_head", 16, {{"next", ptr, 0}, {"prev", ptr, 8}});
    const int name = btf.array(btf.integer("char", 1), 56);
    std::vector<BtfBuilder::Field> fields = {{"list", list, 8},         {"name", name, 24},
                                             {"kallsyms", ptr, 96},     {"percpu", ptr, 168},
                                             {"percpu_size", u32, 176}, {"gpl_syms", ptr, 184},
                                             {"num_gpl_syms", u32, 192}};
    if (GetParam()) {
      const int each = btf.structure("module_memory", 16, {{"base", ptr, 0}, {"size", u32, 8}});
      fields.push_back({"mem", btf.array(each, 2), 128});
    } else {
      const int core = btf.structure("module_layout", 16,
                                     {{"base", ptr, 0}, {"size", u32, 8}, {"text_size", u32, 12}});
      fields.push_back({"core_layout", core, 128});
    }
    btf.structure("module", 200, fields);
    btf.structure(
        "kernel_symbol", 12,
        {{"value_offset", u32, 0}, {"name_offset", u32, 4}, {"namespace_offset", u32, 8}});
    btf.structure("mod_kallsyms", 32,
                  {{"symtab", ptr, 0}, {"num_symtab", u32, 8}, {"strtab", ptr, 16}});
    return btf.build();
  }

  Result<Modules> read() { return Modules::read(memory_, types_, VirtAddr{kList}, remarks_); }

  FakeVirtMemory memory_;
  Btf types_ = types();
  std::vector<std::string> remarks_;
};
INSTANTIATE_TEST_SUITE_P(Layout, LoadedModule, testing::Bool(),
                         [](const auto& layout) { return layout.param ? "SinceV64" : "UntilV63"; });

TEST_P(LoadedModule, ItsCodeAndDataHaveNames) {
  auto modules = read();
  ASSERT_TRUE(modules) << modules.error().message();
  ASSERT_THAT(modules->all(), SizeIs(1));
  EXPECT_EQ(modules->all()[0].name, "toa");
  const Vmcoreinfo info("");
  const Kernel kernel(memory_, info, {}, types(), *std::move(modules));
  const auto code = kernel.code(VirtAddr{kTextAt + 0x93});
  ASSERT_TRUE(code);
  EXPECT_EQ(to_string(*code), "get_name+0x53 [toa]");
  EXPECT_FALSE(kernel.code(VirtAddr{kTextAt + 0x1008}));
  EXPECT_EQ(kernel.data(VirtAddr{kTextAt + 0x100c}), "calls+0x4 [toa]");
  EXPECT_EQ(kernel.data(VirtAddr{kTextAt + 0x1000}), "[toa]+0x1000");
  EXPECT_FALSE(kernel.data(VirtAddr{kTextAt + 0x2000}));
  EXPECT_THAT(remarks_, IsEmpty());
}

TEST_P(LoadedModule, ItsStaticPerCpuVariablesAreFoundByName) {
  const auto modules = read();
  ASSERT_TRUE(modules);
  EXPECT_EQ(modules->per_cpu("hits"), VirtAddr{kPerCpu + 8});
  EXPECT_FALSE(modules->per_cpu("calls")) << "it is no per-CPU variable";
}

// arm64 kernels of Debian are built without CONFIG_KALLSYMS_ALL: data has no ELF symbol there.
TEST_P(LoadedModule, ExportedDataIsFoundWithoutAnElfSymbol) {
  constexpr std::uint64_t kExports = kTextAt + 0x1800;
  memory_.put(kModule + 184, kExports);
  memory_.put(kModule + 192, std::uint32_t{2});
  memory_.put(kExports, std::int32_t{0x1010 - 0x1800});  // toa_stats, 0x10 into the data
  memory_.put(kExports + 4, std::uint32_t{0x100 - 4});   // its name
  memory_.put(kExports + 12, std::uint32_t{0x10000});    // outside of the module
  memory_.put(kExports + 16, std::uint32_t{0x120 - 16});
  memory_.put_text(kExports + 0x100, "toa_stats");
  memory_.put_text(kExports + 0x120, "toa_other");
  auto modules = read();
  ASSERT_TRUE(modules);
  const Vmcoreinfo info("");
  const Kernel kernel(memory_, info, {}, types(), *std::move(modules));
  EXPECT_EQ(symbol_address(kernel, "toa_stats"), VirtAddr{kTextAt + 0x1010});
  EXPECT_EQ(symbol_address(kernel, "calls"), VirtAddr{kTextAt + 0x1008});
  EXPECT_FALSE(symbol_address(kernel, "toa_other")) << "it would lie outside of the module";
}

TEST_P(LoadedModule, MarksOfTheToolchainNameNoFunction) {
  symbol(1, 1, 1, kTextAt + 0x48);
  const auto modules = read();
  ASSERT_TRUE(modules);
  EXPECT_FALSE(modules->nearest(modules->all()[0], VirtAddr{kTextAt + 0x44}));
}

TEST_P(LoadedModule, AListThatIsBrokenGivesWhatCameBeforeAndARemark) {
  memory_.put(kModule + 8, std::uint64_t{0xdead'0000'0000'0100});
  const auto modules = read();
  ASSERT_TRUE(modules);
  EXPECT_THAT(modules->all(), SizeIs(1));
  ASSERT_THAT(remarks_, SizeIs(1));
  EXPECT_THAT(remarks_[0], HasSubstr("broken after 1"));
}

TEST_P(LoadedModule, AListThatIsACycleEnds) {
  memory_.put(kModule + 8, kModule + 8);
  const auto modules = read();
  ASSERT_TRUE(modules);
  ASSERT_THAT(remarks_, SizeIs(1));
  EXPECT_THAT(remarks_[0], HasSubstr("does not end"));
}

TEST_P(LoadedModule, ASymbolTableThatLiesGivesTheModuleWithoutFunction) {
  memory_.put(kTables + 8, std::uint32_t{0xffff'ffff});
  auto modules = read();
  ASSERT_TRUE(modules);
  const Vmcoreinfo info("");
  const Kernel kernel(memory_, info, {}, types(), *std::move(modules));
  const auto code = kernel.code(VirtAddr{kTextAt + 0x93});
  ASSERT_TRUE(code);
  EXPECT_EQ(code->module, "toa");
  EXPECT_EQ(code->function, "");
}

TEST(NameIndex, OneNameAMillionTimesIsNoMillionSquared) {
  NameIndex index(1'000'000);
  for (std::uint32_t i = 0; i < 1'000'000; ++i) index.insert("same", i);
  index.insert("other", 7);
  std::uint32_t first = 99;
  index.any("same", [&](std::uint32_t number) { return first = number, true; });
  EXPECT_EQ(first, 0u);
  EXPECT_TRUE(index.any("other", [](std::uint32_t number) { return number == 7; }));
}

}  // namespace
}  // namespace rig::analyzer
