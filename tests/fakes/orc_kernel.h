// SPDX-License-Identifier: Apache-2.0
// A small x86_64 kernel with ORC tables: functions and entries are declared, memory is laid out
// when the kernel is first asked for. As Linux 6.1 has them; the later layouts of struct orc_entry
// too.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/facts/backtrace.h"
#include "fakes/synthetic_btf.h"
#include "fakes/synthetic_kallsyms.h"

namespace rig::analyzer::fake {

enum class OrcFormat { kV61, kV63, kV64 };

// Values of the format, arch/x86/include/asm/orc_types.h; types as 6.1 numbers them.
enum OrcRegister { kUndefined, kPrevSp, kDx, kDi, kBp, kSp, kR10, kR13, kBpIndirect, kSpIndirect };
enum OrcType { kCall, kRegs, kRegsPartial };

struct OrcRow {
  std::uint64_t address = 0;
  OrcRegister sp_reg = kUndefined;
  int sp_offset = 0;
  OrcRegister bp_reg = kUndefined;
  int bp_offset = 0;
  OrcType type = kCall;
  bool end = false;
  bool signal = false;
};

class OrcKernel {
 public:
  static constexpr std::uint64_t kText = KallsymsTables::kBase;
  static constexpr std::uint64_t kTextEnd = kText + 0x4000;
  static constexpr std::uint64_t kDistances = 0xffff'ffff'8270'0000;
  static constexpr std::uint64_t kEntries = 0xffff'ffff'8280'0000;
  static constexpr std::uint64_t kBtf = 0xffff'ffff'8290'0000;
  static constexpr std::uint64_t kData = 0xffff'ffff'8300'0000;
  static constexpr std::uint64_t kPerCpu = 0xffff'8880'1f40'0000;
  static constexpr std::uint64_t kTask = 0xffff'8880'0500'0000;
  static constexpr std::uint64_t kStack = 0xffff'c900'0001'0000;  // 16 KiB, of the task
  static constexpr std::uint64_t kIrqStack = 0xffff'c900'0002'0000;
  static constexpr std::uint64_t kStackSize = 0x4000;
  static constexpr std::uint64_t kModule = 0xffff'ffff'c000'0000;

  explicit OrcKernel(OrcFormat format = OrcFormat::kV61) : format_(format) {
    for (const auto stack : {kStack, kIrqStack}) {
      for (std::uint64_t at = 0; at < kStackSize; at += 0x1000) memory.put(stack + at, 0ull);
    }
    for (auto at = kText; at < kTextEnd; at += 0x1000) memory.put(at, 0ull);
    stacks = {{"stack of task 42 (victim)", VirtAddr{kStack}, kStackSize},
              {"IRQ stack of CPU 1", VirtAddr{kIrqStack}, kStackSize}};
  }

  // A function of 0x100 bytes; its number is its place. Where it is.
  std::uint64_t function(const std::string& name) {
    const auto at = kText + 0x100 * (functions_.size() + 1);
    functions_.emplace_back(at, name);
    return at;
  }
  void row(const OrcRow& row) { rows_.push_back(row); }
  // A function whose stack frame holds `words` besides the return address, by RSP.
  std::uint64_t plain(const std::string& name, int words) {
    const auto at = function(name);
    row({.address = at, .sp_reg = kSp, .sp_offset = words * 8 + 8});
    return at;
  }

  // The address after a call at `offset` of a function.
  std::uint64_t after_call(std::uint64_t function, std::uint64_t offset) {
    memory.put(function + offset - 5, std::uint8_t{0xe8});
    return function + offset;
  }
  void push(std::uint64_t at, std::uint64_t value) { memory.put(at, value); }
  // A struct pt_regs; what is not given is 0.
  void registers(std::uint64_t at, std::uint64_t pc, std::uint64_t sp, bool user = false,
                 const std::map<unsigned, std::uint64_t>& others = {}) {
    for (unsigned offset = 0; offset < 168; offset += 8) memory.put(at + offset, std::uint64_t{0});
    for (const auto& [offset, value] : others) memory.put(at + offset, value);
    memory.put(at + 128, pc);
    memory.put(at + 136, std::uint64_t{user ? 0x33u : 0x10u});
    memory.put(at + 144, std::uint64_t{0x246});
    memory.put(at + 152, sp);
    memory.put(at + 160, std::uint64_t{user ? 0x2bu : 0x18u});
  }

  // Writes what was declared. Nothing can be declared any more.
  const Kernel& kernel() {
    if (kernel_) return *kernel_;
    const Btf btf = build_types();
    const auto bytes = types.bytes();
    KallsymsTables tables;
    tables.entries = symbols;
    tables.entries.push_back({kText, 'T', "_stext"});
    for (const auto& [at, name] : functions_) tables.entries.push_back({at, 'T', name});
    tables.entries.push_back({kTextEnd, 'T', "_etext"});
    tables.entries.push_back({kDistances, 'r', "__start_orc_unwind_ip"});
    tables.entries.push_back({kDistances + rows_.size() * 4, 'r', "__stop_orc_unwind_ip"});
    tables.entries.push_back({kEntries, 'r', "__start_orc_unwind"});
    tables.entries.push_back({kBtf, 'r', "__start_BTF"});
    tables.entries.push_back({kBtf + bytes.size(), 'r', "__stop_BTF"});
    memory.pages.write(kBtf, bytes);
    tables.entries.push_back({kData, 'D', "__per_cpu_offset"});
    tables.entries.push_back({kData + 0x100, 'D', "panic_cpu"});
    tables.entries.push_back({kData + 0x180, 'D', "nr_cpu_ids"});
    tables.entries.push_back({kData + 0x200, 'D', "modules"});
    tables.entries.push_back({kData + 0x1000, 'B', "_end"});
    std::ranges::stable_sort(tables.entries, {}, &KallsymsTables::Entry::address);
    lines = tables.write(memory) + fmt::format("SYMBOL(_stext)={:x}\n", kText);
    write_table(kDistances, kEntries, rows_);
    memory.put(kData, kPerCpu);
    memory.put(kData + 8, kPerCpu + 0x10'0000);
    memory.put(kData + 0x100, std::int32_t{1});
    memory.put(kData + 0x180, std::uint32_t{2});
    if (!has_module_) memory.put(kData + 0x200, kData + 0x200);
    info_.emplace(lines);
    std::vector<std::string> remarks;
    auto modules = Modules::read(memory, btf, VirtAddr{kData + 0x200}, remarks);
    kernel_.emplace(memory, *info_, *Kallsyms::read(memory, *info_), btf, *std::move(modules));
    return *kernel_;
  }

  // One module with one entry for its text, which has no symbols.
  void module(const std::vector<OrcRow>& rows) {
    has_module_ = true;
    const std::uint64_t at = kModule + 0x2000;
    memory.put(kModule, 0ull);
    memory.put(at, kData + 0x200);
    memory.put(kData + 0x200, at);
    memory.put_text(at + 16, "toy");
    memory.put(at + 80, kModule);
    memory.put(at + 88, std::uint32_t{0x1000});
    memory.put(at + 92, std::uint32_t{0x1000});
    memory.put(at + 112, static_cast<std::uint32_t>(rows.size()));
    memory.put(at + 120, at + 0x1000);
    memory.put(at + 128, at + 0x1800);
    write_table(at + 0x1000, at + 0x1800, rows);
  }

  Backtrace walk(const UnwindPoint& start) {
    return unwind_from(kernel(), architecture(Arch::kX86_64), stacks, start);
  }
  Backtrace walk(std::uint64_t pc, std::uint64_t sp, std::optional<std::uint64_t> fp = {}) {
    UnwindPoint start{VirtAddr{pc}, VirtAddr{sp}, {}, true, {}};
    if (fp) start.fp = VirtAddr{*fp};
    return walk(start);
  }

  FakeVirtMemory memory;
  std::vector<StackRange> stacks;
  std::vector<KallsymsTables::Entry> symbols;  // besides those that every such kernel has
  std::string lines;                           // VMCOREINFO's, once there is a kernel
  BtfBuilder types;

 private:
  Btf build_types() {
    const int u32 = types.integer("unsigned int", 4);
    const int s16 = types.integer("short int", 2);
    const int u64 = types.integer("unsigned long", 8);
    const int ptr = types.pointer();
    const int comm = types.array(types.integer("char", 1), 16);
    const int name = types.array(types.integer("char", 1), 56);
    std::vector<BtfBuilder::Field> entry = {{"sp_offset", s16, 0},
                                            {"bp_offset", s16, 2},
                                            {"sp_reg", u32, 4, 0, 4},
                                            {"bp_reg", u32, 4, 4, 4}};
    if (format_ == OrcFormat::kV64) {
      entry.insert(entry.end(), {{"type", u32, 4, 8, 3}, {"signal", u32, 4, 11, 1}});
    } else if (format_ == OrcFormat::kV63) {
      entry.insert(entry.end(),
                   {{"type", u32, 4, 8, 2}, {"signal", u32, 4, 10, 1}, {"end", u32, 4, 11, 1}});
    } else {
      entry.insert(entry.end(), {{"type", u32, 4, 8, 2}, {"end", u32, 4, 10, 1}});
    }
    types.structure("orc_entry", 6, entry);
    types.structure("inactive_task_frame", 56,
                    {{"r15", u64, 0}, {"bp", u64, 40}, {"ret_addr", u64, 48}});
    const int thread = types.structure("thread_struct", 8, {{"sp", u64, 0}});
    const int info =
        types.structure("thread_info", 16, {{"flags", u64, 0}, {"preempt_count", u32, 8}});
    const int rethooks = types.structure("llist_head", 8, {{"first", ptr, 0}});
    const int list = types.structure("list_head", 16, {{"next", ptr, 0}, {"prev", ptr, 8}});
    types.structure("signal_struct", 16, {{"thread_head", list, 0}});
    const int sched = types.structure("sched_info", 8, {{"last_arrival", u64, 0}});
    types.structure("task_struct", 192,
                    {{"thread_info", info, 0},
                     {"__state", u32, 16},
                     {"stack", ptr, 32},
                     {"on_cpu", u32, 40},
                     {"pid", u32, 64},
                     {"comm", comm, 80},
                     {"thread", thread, 104},
                     {"rethooks", rethooks, 112},
                     {"tasks", list, 128},
                     {"thread_node", list, 144},
                     {"signal", ptr, 160},
                     {"sched_info", sched, 168}});
    types.a_union("thread_union", kStackSize, {{"stack", types.array(u64, 2048), 0}});
    const int layout = types.structure(
        "module_layout", 16, {{"base", ptr, 0}, {"size", u32, 8}, {"text_size", u32, 12}});
    const int arch =
        types.structure("mod_arch_specific", 24,
                        {{"num_orcs", u32, 0}, {"orc_unwind_ip", ptr, 8}, {"orc_unwind", ptr, 16}});
    types.structure("module", 160,
                    {{"list", list, 0},
                     {"name", name, 16},
                     {"core_layout", layout, 80},
                     {"init_layout", layout, 96},
                     {"arch", arch, 112}});
    return types.build();
  }

  std::uint16_t flags(const OrcRow& row) const {
    const unsigned registers = row.sp_reg | row.bp_reg << 4;
    if (format_ == OrcFormat::kV61) {
      return static_cast<std::uint16_t>(registers | row.type << 8 | row.end << 10);
    }
    if (format_ == OrcFormat::kV63) {
      return static_cast<std::uint16_t>(registers | row.type << 8 | row.signal << 10 |
                                        row.end << 11);
    }
    const unsigned type = row.end ? 1 : row.sp_reg == kUndefined ? 0 : row.type + 2u;
    return static_cast<std::uint16_t>(registers | type << 8 | row.signal << 11);
  }

  void write_table(std::uint64_t distances, std::uint64_t entries,
                   const std::vector<OrcRow>& rows) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto place = distances + i * 4;
      memory.put(place, static_cast<std::int32_t>(rows[i].address - place));
      memory.put(entries + i * 6, static_cast<std::int16_t>(rows[i].sp_offset));
      memory.put(entries + i * 6 + 2, static_cast<std::int16_t>(rows[i].bp_offset));
      memory.put(entries + i * 6 + 4, flags(rows[i]));
    }
  }

  OrcFormat format_;
  std::vector<std::pair<std::uint64_t, std::string>> functions_;
  std::vector<OrcRow> rows_;
  bool has_module_ = false;
  std::optional<Vmcoreinfo> info_;
  std::optional<Kernel> kernel_;
};

inline std::vector<std::string> functions_of(const Backtrace& trace) {
  std::vector<std::string> names;
  for (const BacktraceFrame& frame : trace.frames) {
    names.push_back((frame.reliable ? "" : "? ") + frame.at.function);
  }
  return names;
}

}  // namespace rig::analyzer::fake
