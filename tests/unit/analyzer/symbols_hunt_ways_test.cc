// SPDX-License-Identifier: Apache-2.0
// Each way to a variable that no symbol names: found through the code that uses it when what it
// holds proves it, and not found when that is missing.
#include <gmock/gmock.h>

#include "analyzer/symbols/hunt.h"
#include "fakes/synthetic_btf.h"
#include "fakes/synthetic_kallsyms.h"

namespace rig::analyzer {
namespace {

using fake::FakeVirtMemory;
using fake::KallsymsTables;
using fake::kText;
using testing::Contains;
using testing::HasSubstr;

// An arm64 kernel with functions, exports and types.
class Ways : public testing::Test {
 protected:
  static constexpr std::uint64_t kConstants = kText + 0x10'0000;
  static constexpr std::uint64_t kTable = kConstants + 0x1004;
  static constexpr std::uint64_t kNames = kConstants + 0x8000;
  static constexpr std::uint64_t kTypes = kConstants + 0xc000;
  static constexpr std::uint64_t kData = kText + 0x80'0000;
  static constexpr std::uint64_t kCpuCount = kData + 0x10;
  static constexpr std::uint64_t kHeap = 0xffff'0000'0200'0000;
  static constexpr std::size_t kFunctions = 40;
  static constexpr std::uint64_t kWanted = kData + 0x1000;

  Ways() {
    tables_.absolute_per_cpu = false;
    for (unsigned i = 0; i < kFunctions; ++i) {
      tables_.entries.push_back({kText + 0x100 + i * 16, 'T', fmt::format("f{:03}", i)});
    }
    memory_.pages.write(kConstants, std::vector<std::byte>(0x1'0000));
    std::vector<std::pair<std::string, std::uint64_t>> exports;
    for (const auto& each : tables_.entries) exports.emplace_back(each.name, each.address);
    exports.erase(exports.begin());  // _stext
    exports.emplace_back("init_task", kData);
    exports.emplace_back("nr_cpu_ids", kCpuCount);
    std::uint64_t name = kNames, at = kTable;
    for (const auto& [text, value] : exports) {
      memory_.put(at, static_cast<std::int32_t>(value - at));
      memory_.put(at + 4, static_cast<std::int32_t>(name - at - 4));
      memory_.put(at + 8, static_cast<std::int32_t>(kConstants + 8 - at - 8));
      memory_.put_text(name, text);
      name += text.size() + 1;
      at += 12;
    }
    memory_.put(kCpuCount, 4u);
    types();
  }

  void types() {
    fake::BtfBuilder btf;
    const int u64 = btf.integer("unsigned long", 8), u32 = btf.integer("unsigned int", 4);
    const int s8 = btf.integer("signed char", 1);
    const int head = btf.structure("list_head", 16, {{"next", u64, 0}, {"prev", u64, 8}});
    const int text = btf.array(s8, 16);
    btf.structure("task_struct", 16, {{"comm", text, 0}});
    const int kobject = btf.structure("module_kobject", 16, {{"mod", u64, 8}});
    btf.structure("module", 64, {{"list", head, 8}, {"name", text, 24}, {"mkobj", kobject, 40}});
    btf.structure("kmem_cache", 48, {{"size", u32, 4}, {"name", u64, 8}, {"list", head, 16}});
    btf.structure("swap_info_struct", 32, {{"flags", u64, 0}, {"type", s8, 16}});
    const int read = btf.structure("tk_read_base", 16, {{"clock", u64, 0}});
    btf.structure("timekeeper", 48,
                  {{"tkr_mono", read, 0}, {"tkr_raw", read, 16}, {"xtime_sec", u64, 32}});
    btf.structure("clocksource", 16, {{"name", u64, 8}});
    btf.structure(
        "handle_parts", 4,
        {{"slabindex", u32, 0, 0, 16}, {"offset", u32, 0, 16, 10}, {"valid", u32, 0, 26, 1}});
    const int frames = btf.array(u64, 0);
    btf.structure("stack_record", 24,
                  {{"size", u32, 12}, {"handle", u32, 16}, {"entries", frames, 24}});
    memory_.pages.write(kTypes, btf.bytes());
  }

  // A function of that name: adrp x0; add x0, x0; ldr x1, [x0], for each of `data`.
  void function(const std::string& name, const std::vector<std::uint64_t>& data) {
    const std::uint64_t begin = kText + 0x4000 + 0x100 * functions_++;
    tables_.entries.push_back({begin, 'T', name});
    std::uint64_t at = begin;
    const auto add = [&](std::uint64_t word) {
      memory_.put(at, static_cast<std::uint32_t>(word));
      at += 4;
    };
    for (const std::uint64_t target : data) {
      const std::uint64_t pages = (target >> 12) - (at >> 12);
      add(0x9000'0000 | (pages & 3) << 29 | (pages >> 2 & 0x7'ffff) << 5);
      add(0x9100'0000 | (target & 0xfff) << 10);
      add(0xf940'0001);
    }
    add(0xd65f'03c0);  // ret
  }

  std::optional<VirtAddr> found(std::string_view variable) {
    auto tables = tables_;
    tables.entries.push_back({kText + 0x4000 + 0x100 * functions_, 'T', "behind"});
    tables.entries.push_back({kConstants, 'D', "_etext"});
    tables.entries.push_back({kConstants + 0x1'0000, 'T', "_sinittext"});
    info_.emplace(tables.write(memory_) +
                  fmt::format("SYMBOL(_stext)={:x}\nNUMBER(kimage_voffset)=0\n", kText));
    symbols_ = *Kallsyms::read(memory_, *info_);
    hunt_ = Hunt::start(memory_, *info_, *symbols_);
    return hunt_ ? hunt_->address(variable, *symbols_) : std::nullopt;
  }

  // A closed list at `head` of elements at `first`, `step` apart, linked at `link`.
  void list(std::uint64_t head, std::uint64_t first, std::uint64_t step, unsigned count,
            std::uint64_t link) {
    std::uint64_t last = head;
    for (unsigned i = 0; i < count; ++i) {
      const auto here = first + i * step + link;
      memory_.put(last, here);
      memory_.put(here + 8, last);
      last = here;
    }
    memory_.put(last, head);
    memory_.put(head + 8, last);
  }

  KallsymsTables tables_{{{kText, 'T', "_stext"}}};
  unsigned functions_ = 0;
  FakeVirtMemory memory_;
  std::optional<Vmcoreinfo> info_;
  std::optional<Kallsyms> symbols_;
  std::optional<Hunt> hunt_;
};

TEST_F(Ways, TheListOfModulesIsTheOneThatItsModulesPointBackTo) {
  function("find_module_all", {kWanted, kWanted + 0x200});
  list(kWanted, kHeap, 0x100, 3, 8);
  for (unsigned i = 0; i < 3; ++i) {
    memory_.put_text(kHeap + i * 0x100 + 24, "virtio");
    memory_.put(kHeap + i * 0x100 + 48, kHeap + i * 0x100);
  }
  EXPECT_EQ(found("modules"), VirtAddr{kWanted});
  EXPECT_THAT(hunt_->provenance(), Contains(HasSubstr("modules: find_module_all() refers to it")));
  memory_.put(kHeap + 0x100 + 48, kHeap);  // not its own kobject
  EXPECT_EQ(found("modules"), std::nullopt);
}

TEST_F(Ways, OfTwoAddressesThatAreProvenNeitherIsTaken) {
  function("find_module_all", {kWanted, kWanted + 0x200});
  for (const std::uint64_t part : {0, 1}) {
    const std::uint64_t module = kHeap + part * 0x1000;
    list(kWanted + part * 0x200, module, 0x100, 1, 8);
    memory_.put_text(module + 24, "virtio");
    memory_.put(module + 48, module);
  }
  EXPECT_EQ(found("modules"), std::nullopt);
}

TEST_F(Ways, TheListOfCachesHasManyWithNamesAndSizes) {
  function("slab_start", {kWanted});
  memory_.put_text(kHeap + 0x8000, "kmalloc-64");
  const auto caches = [&](unsigned count) {
    list(kWanted, kHeap, 0x100, count, 16);
    for (unsigned i = 0; i < count; ++i) {
      memory_.put(kHeap + i * 0x100 + 4, 64u);
      memory_.put(kHeap + i * 0x100 + 8, kHeap + 0x8000);
    }
  };
  caches(8);
  EXPECT_EQ(found("slab_caches"), VirtAddr{kWanted});
  caches(7);
  EXPECT_EQ(found("slab_caches"), std::nullopt);
  caches(8);
  memory_.put(kHeap + 0x300 + 4, 0u);  // no size
  EXPECT_EQ(found("slab_caches"), std::nullopt);
  caches(8);
  memory_.put(kHeap + 0x300 + 24, kHeap);  // its back pointer
  EXPECT_EQ(found("slab_caches"), std::nullopt);
}

TEST_F(Ways, TheCpuThatPanickedIsOneThatThereIs) {
  function("nmi_panic", {kWanted});
  memory_.put(kWanted, std::int32_t{3});
  EXPECT_EQ(found("panic_cpu"), VirtAddr{kWanted});
  memory_.put(kWanted, std::int32_t{-1});
  EXPECT_EQ(found("panic_cpu"), VirtAddr{kWanted});
  for (const std::int32_t nonsense : {4, -2}) {
    memory_.put(kWanted, nonsense);
    EXPECT_EQ(found("panic_cpu"), std::nullopt);
  }
}

TEST_F(Ways, AFunctionThatRefersToMoreProvesNothingWhereItMayReferToOneOnly) {
  function("nmi_panic", {kWanted, kWanted + 0x200});
  memory_.put(kWanted, std::int32_t{3});
  memory_.put(kWanted + 0x200, std::uint64_t{1} << 40);
  EXPECT_EQ(found("panic_cpu"), std::nullopt);
}

TEST_F(Ways, TaintHasNoBitsThatThereAreNot) {
  function("get_taint", {kWanted});
  memory_.put(kWanted, std::uint64_t{1} << 12);
  EXPECT_EQ(found("tainted_mask"), VirtAddr{kWanted});
  memory_.put(kWanted, std::uint64_t{1} << 40);
  EXPECT_EQ(found("tainted_mask"), std::nullopt);
}

TEST_F(Ways, TheCommandLineIsAText) {
  function("cmdline_proc_show", {kWanted});
  memory_.put(kWanted, kHeap);
  memory_.put_text(kHeap, "console=ttyAMA0 panic=-1");
  EXPECT_EQ(found("saved_command_line"), VirtAddr{kWanted});
  memory_.put(kHeap + 4, '\x01');
  EXPECT_EQ(found("saved_command_line"), std::nullopt);
}

TEST_F(Ways, SwapAreasHaveTheirPlaceAsTheirType) {
  function("swp_swap_info", {kWanted});
  memory_.put(kWanted + 16, std::uint64_t{0});
  EXPECT_EQ(found("swap_info"), VirtAddr{kWanted});  // no swap yet
  for (const std::uint64_t i : {0, 1}) {
    memory_.put(kWanted + i * 8, kHeap + i * 0x100);
    memory_.put(kHeap + i * 0x100 + 16, static_cast<std::int8_t>(i));
  }
  EXPECT_EQ(found("swap_info"), VirtAddr{kWanted});
  memory_.put(kHeap + 0x100 + 16, std::int8_t{5});
  EXPECT_EQ(found("swap_info"), std::nullopt);
}

TEST_F(Ways, TheTimekeeperHasAClockWithAName) {
  // The function reads xtime_sec of the timekeeper, which follows a lock of 8 bytes.
  function("__ktime_get_real_seconds", {kWanted + 8 + 32});
  memory_.put(kWanted + 8 + 32, std::uint64_t{1'790'000'000});
  memory_.put(kWanted + 8, kHeap);
  memory_.put(kWanted + 8 + 16, kHeap);
  memory_.put(kHeap + 8, kHeap + 0x100);
  memory_.put_text(kHeap + 0x100, "arch_sys_counter");
  EXPECT_EQ(found("tk_core"), VirtAddr{kWanted});
  memory_.put(kWanted + 8 + 16, kHeap + 8);  // another clock
  EXPECT_EQ(found("tk_core"), std::nullopt);
  memory_.put(kWanted + 8 + 16, kHeap);
  memory_.put(kWanted + 8 + 32, std::uint64_t{5});  // 1970
  EXPECT_EQ(found("tk_core"), std::nullopt);
}

TEST_F(Ways, ATypeThatTheKernelLacksFindsNothing) {
  function("swp_swap_info", {kWanted});
  memory_.put(kWanted, std::uint64_t{0});
  memory_.pages.write(kTypes, std::vector<std::byte>(0x1000));
  EXPECT_EQ(found("swap_info"), std::nullopt);
}

TEST_F(Ways, TheDepotOfStacksIsKnownByItsFirstRecord) {
  function("stack_depot_fetch", {kWanted - 0x200, kWanted});
  memory_.put(kWanted - 0x200, std::uint64_t{3});  // the number of its last pool
  memory_.put(kWanted, kHeap);
  memory_.put(kHeap + 12, 2u);
  memory_.put(kHeap + 16, 1u << 26);
  memory_.put(kHeap + 24, kText + 0x104);
  memory_.put(kHeap + 32, kText + 0x204);
  EXPECT_EQ(found("stack_slabs"), VirtAddr{kWanted});
  memory_.put(kHeap + 16, 1u << 26 | 1u << 16);  // a record that lies elsewhere
  EXPECT_EQ(found("stack_slabs"), std::nullopt);
  memory_.put(kHeap + 16, 1u << 26);
  memory_.put(kHeap + 32, std::uint64_t{17});  // no code
  EXPECT_EQ(found("stack_slabs"), std::nullopt);
}

}  // namespace
}  // namespace rig::analyzer
