// SPDX-License-Identifier: Apache-2.0
// A core of a kernel that is just large enough to be asked: page tables, symbols, types, per-CPU
// areas and one allocation of alloc_percpu(). Questions go the whole way from the file.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "analyzer/inspect/question.h"
#include "fakes/fake_memory.h"
#include "fakes/synthetic_btf.h"
#include "fakes/synthetic_core.h"
#include "fakes/synthetic_kallsyms.h"

namespace rig::analyzer::fake {

class KernelCore {
 public:
  static constexpr std::uint64_t kImage = 0xffff'ffff'8000'0000;  // physical address 0
  static constexpr std::uint64_t kText = kImage + 0x100'0000;
  static constexpr std::uint64_t kData = kImage + 0x180'0000;
  static constexpr std::uint64_t kTypes = kImage + 0x280'0000;
  static constexpr std::uint64_t kPageTables = kImage + 0x300'0000;
  static constexpr std::uint64_t kPerCpu = kImage + 0x310'0000;  // pcpu_base_addr
  static constexpr std::uint64_t kUnit = 0x1'0000;               // from one CPU's area to the next
  static constexpr std::uint64_t kSample = kData + 0x100;
  static constexpr std::uint64_t kHole = kData + 0x10'0000;  // mapped, but left out of the dump
  // As alloc_percpu() returned it: 24 bytes, 0x40 behind the start of the dynamic chunk.
  static constexpr std::uint64_t kPointer = 0x1040;

  KernelCore() {
    write_page_tables();
    write_per_cpu();
    symbols_.entries = {
        {0x0, 'D', "__per_cpu_start"},
        {0x100, 'd', "counter"},
        {0x1000, 'D', "__per_cpu_end"},
        {kText, 'T', "_stext"},
        {kText + 0x40, 'T', "first"},
        {kText + 0x60, 't', "second"},
        {kText + 0x80, 't', "twin"},
        {kText + 0xa0, 't', "twin"},
        {kText + 0x1000, 'T', "_etext"},
        {kData, 'D', "__per_cpu_offset"},
        {kData + 0x20, 'D', "nr_cpu_ids"},
        {kData + 0x28, 'D', "pcpu_base_addr"},
        {kData + 0x30, 'd', "pcpu_first_chunk"},
        {kData + 0x40, 'D', "init_task"},
        {kSample, 'D', "sample"},
        {kSample + 0x200, 'D', "behind_sample"},
        {kTypes, 'R', "__start_BTF"},
    };
    const auto types = build_types().bytes();
    memory.pages.write(kTypes, types);
    symbols_.entries.push_back({kTypes + types.size(), 'R', "__stop_BTF"});
    symbols_.entries.push_back({kImage + 0x3ff'0000, 'B', "_end"});
  }

  // Puts the kernel into a file and asks it one question: "struct sample".
  Result<Answer> ask(const std::string& question) {
    const auto path = std::filesystem::temp_directory_path() /
                      fmt::format("kernel-core-{}-{}", ::getpid(), ++count_);
    Result<Answer> answer = ask_at(path, question);
    std::filesystem::remove(path);
    return answer;
  }
  // To be written in any format.
  rig::fakes::SyntheticCore core() {
    std::string info = symbols_.write(memory);
    info += fmt::format(
        "SYMBOL(swapper_pg_dir)={:x}\nSYMBOL(_stext)={:x}\nNUMBER(phys_base)=0\n"
        "NUMBER(pgtable_l5_enabled)=0\nOSRELEASE=6.1.0\n",
        kPageTables, kText);
    rig::fakes::SyntheticCore core;
    for (const std::uint64_t number : memory.pages.numbers()) {
      std::vector<std::byte> page(Pages::kPage);
      (void)memory.read(VirtAddr{number * Pages::kPage}, page);
      core.page(PhysAddr{number * Pages::kPage - kImage}, page);
    }
    core.excluded(PhysAddr{kHole - kImage});
    core.vmcoreinfo(info).prstatus_of_pid(1).prstatus_of_pid(2);
    return core;
  }
  // The answer, or the error's words.
  std::string text(const std::string& question) {
    const auto answer = ask(question);
    return answer ? answer->text : "ERROR " + answer.error().message();
  }
  std::string json(const std::string& question) {
    const auto answer = ask(question);
    return answer ? answer->json : "ERROR " + answer.error().message();
  }

  template <typename T>
  void put(std::uint64_t address, const T& value) {
    memory.put(address, value);
  }

  FakeVirtMemory memory;

 private:
  Result<Answer> ask_at(const std::filesystem::path& path, const std::string& question) {
    RIG_TRY(core().write(path, rig::fakes::CoreFormat::kKdumpRaw));
    RIG_ASSIGN(Core opened, Core::open(path));
    Session session(std::move(opened));
    std::vector<std::string> words;
    for (std::size_t at = 0; at < question.size();) {
      const auto end = std::min(question.find(' ', at), question.size());
      if (end > at) words.push_back(question.substr(at, end - at));
      at = end + 1;
    }
    return analyzer::ask(session, words);
  }

  // 64 MiB from physical address 0 on, in pages of 2 MiB.
  void write_page_tables() {
    const auto physical = [](std::uint64_t address) { return address - kImage; };
    constexpr std::uint64_t kTable = 0x63, kLeaf = 0xe3;
    put(kPageTables + 511 * 8, physical(kPageTables + 0x1000) | kTable);
    put(kPageTables + 0x1000 + 510 * 8, physical(kPageTables + 0x2000) | kTable);
    for (std::uint64_t i = 0; i < 32; ++i) put(kPageTables + 0x2000 + i * 8, i << 21 | kLeaf);
  }

  void write_per_cpu() {
    put(kData, kPerCpu);
    put(kData + 8, kPerCpu + kUnit);
    put(kData + 0x20, std::uint32_t{2});
    put(kData + 0x28, kPerCpu);
    put(kData + 0x30, kData + 0x400);
    for (std::uint64_t cpu = 0; cpu < 2; ++cpu) {
      put(kPerCpu + cpu * kUnit + 0x100, static_cast<std::uint32_t>(7 + cpu));
      for (std::uint64_t word = 0; word < 3; ++word) {
        put(kPerCpu + cpu * kUnit + kPointer + word * 8, 100 * (cpu + 1) + word);
      }
    }
    // struct pcpu_chunk: one page; its maps have a bit for every 4 bytes.
    constexpr std::uint64_t kChunk = kData + 0x400, kBound = kData + 0x500, kAlloc = kData + 0x600;
    put(kChunk + 16, std::uint32_t{4096 - 24});
    put(kChunk + 24, kBound);
    put(kChunk + 32, kPerCpu + 0x1000);
    put(kChunk + 40, kAlloc);
    put(kChunk + 48, std::uint32_t{1});
    put(kChunk + 56, std::uint64_t{1});
    put(kBound, std::uint64_t{1} | 1ull << 16 | 1ull << 22);
    put(kAlloc, 0x3full << 16);
  }

  static BtfBuilder build_types() {
    BtfBuilder btf;
    const int u32 = btf.integer("unsigned int", 4);
    const int u64 = btf.integer("long unsigned int", 8);
    const int character = btf.integer("char", 1);
    const int sint = btf__add_int(btf.raw(), "int", 4, BTF_INT_SIGNED);
    const int boolean = btf__add_int(btf.raw(), "bool", 1, BTF_INT_BOOL);
    const int link = btf.pointer();
    const int head = btf.structure("list_head", 16, {{"next", link, 0}, {"prev", link, 8}});
    const int state =
        btf.enumeration("state", {{"IDLE", 0}, {"BUSY", 1}, {"DONE", 2}, {"LATE", 4}});
    const int text = btf.pointer(btf.constant(character));
    const int any = btf.pointer();
    const int part = btf.structure(nullptr, 4, {{"low", u32, 0, 0, 3}, {"high", u32, 0, 3, 29}});
    const int either = btf.a_union(nullptr, 4, {{"word", u32, 0}, {"", part, 0}});
    btf.structure("sample", 0x100,
                  {{"list", head, 0},
                   {"id", sint, 16},
                   {"state", state, 20},
                   {"name", btf.array(character, 16), 24},
                   {"label", text, 40},
                   {"handler", any, 48},
                   {"ready", boolean, 56},
                   {"", either, 60},
                   {"counts", btf.array(u32, 12), 64},
                   {"pairs", btf.array(head, 2), 112}});
    btf.structure("large", 0x2000, {{"before", u64, 0}, {"after", u64, 0x1000}});
    btf.structure("pcpu_chunk", 64,
                  {{"list", head, 0},
                   {"free_bytes", sint, 16},
                   {"bound_map", any, 24},
                   {"base_addr", any, 32},
                   {"alloc_map", any, 40},
                   {"nr_pages", sint, 48},
                   {"populated", btf.array(u64, 0), 56}});
    const int counter = btf__add_var(btf.raw(), "counter", BTF_VAR_STATIC, u32);
    btf__add_datasec(btf.raw(), ".data..percpu", 0x1000);
    btf__add_datasec_var_info(btf.raw(), counter, 0x100, 4);
    return btf;
  }

  KallsymsTables symbols_;
  unsigned count_ = 0;
};

}  // namespace rig::analyzer::fake
