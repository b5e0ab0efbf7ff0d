// SPDX-License-Identifier: Apache-2.0
// Writes the seed corpora, one folder per target: what the fakes of the tests build, in small.
#include <cstdio>

#include "fakes/kernel_core.h"
#include "fakes/mapped_core.h"
#include "fakes/orc_kernel.h"
#include "fakes/printk_ring.h"
#include "fakes/synthetic_heap.h"
#include "fuzz/guest_image.h"
#include "fuzz/memory_file.h"

namespace {

using namespace rig;
using namespace rig::analyzer;
using fakes::CoreFormat;
using fakes::SyntheticCore;
using fuzz::GuestImage;

class Corpora {
 public:
  explicit Corpora(fs::path folder) : folder_(std::move(folder)) {}

  void add(std::string_view target, std::string_view name, std::string_view bytes) {
    fs::create_directories(folder_ / target);
    if (const auto written = fakes::write_bytes(folder_ / target / name, bytes); !written) {
      std::fprintf(stderr, "%s\n", written.error().message().c_str());
      std::exit(3);
    }
  }

 private:
  fs::path folder_;
};

template <typename T>
std::string raw_bytes(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string with_size(std::string_view first, std::string_view second) {
  return raw_bytes(static_cast<std::uint16_t>(first.size())).append(first).append(second);
}

SyntheticCore small_core() {
  SyntheticCore core;
  core.page(PhysAddr{0}, as_bytes(std::string(4096, 'a')))
      .page(PhysAddr{0x1000}, as_bytes(std::string(2048, 'b')))
      .excluded(PhysAddr{0x3000})
      .prstatus_of_pid(1)
      .vmcoreinfo("OSRELEASE=6.1\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=ffffffff81000000\n");
  return core;
}

void write_cores(Corpora& corpora) {
  for (const auto format : fakes::kAllCoreFormats) {
    const std::string bytes = small_core().bytes(format);
    corpora.add("core", to_string(format), bytes);
    corpora.add("core", std::string(to_string(format)) + "-flattened", fakes::flattened(bytes));
    if (format == CoreFormat::kElf) continue;
    const auto part = [&](std::uint64_t begin, std::uint64_t end) {
      return small_core().part(PhysAddr{begin}, PhysAddr{end}).bytes(format);
    };
    corpora.add("split", to_string(format), with_size(part(0, 0x1000), part(0x1000, 0x4000)));
    corpora.add("split", std::string(to_string(format)) + "-flattened",
                with_size(fakes::flattened(part(0, 0x1000)), part(0x1000, 0x4000)));
  }
}

void write_kallsyms(Corpora& corpora) {
  for (const bool per_cpu : {true, false}) {
    fake::KallsymsTables tables;
    tables.absolute_per_cpu = per_cpu;
    if (per_cpu) tables.entries = {{0, 'D', "__per_cpu_start"}, {0x100, 'd', "cabinet"}};
    tables.entries.push_back({tables.kBase, 'T', "_stext"});
    for (unsigned i = 0; i < 600; ++i) {
      tables.entries.push_back({tables.kBase + 16 * i + 16, 't', "abstract_" + std::to_string(i)});
    }
    fake::FakeVirtMemory memory;
    GuestImage image;
    image.info = tables.write(memory) + fmt::format("SYMBOL(_stext)={:x}\n", tables.kBase);
    image.pages = memory.pages;
    corpora.add("kallsyms", per_cpu ? "per-cpu" : "plain", fuzz::encode_image(image));
  }
}

void write_types(Corpora& corpora) {
  fake::BtfBuilder base;
  const int word = base.integer("int", 4);
  const int link = base.pointer();
  const int head = base.structure("list_head", 16, {{"next", link, 0}, {"prev", link, 8}});
  const int inner = base.a_union(nullptr, 8, {{"word", word, 0}, {"link", link, 0}});
  base.enumeration("state", {{"IDLE", 0}, {"BUSY", 1}});
  base.structure("sample", 64,
                 {{"head", head, 0},
                  {"", inner, 16},
                  {"bits", word, 24, 3, 5},
                  {"many", base.array(head, 2), 32}});
  const int proto = btf__add_func_proto(base.raw(), word);
  btf__add_func_param(base.raw(), "first", base.constant(link));
  btf__add_func(base.raw(), "schedule", BTF_FUNC_GLOBAL, proto);
  btf__add_fwd(base.raw(), "later", BTF_FWD_STRUCT);
  btf__add_float(base.raw(), "float", 4);
  btf__add_enum64(base.raw(), "wide", 8, true);
  btf__add_enum64_value(base.raw(), "LARGE", 1ull << 40);
  const int counter = btf__add_var(base.raw(), "counter", BTF_VAR_STATIC, word);
  btf__add_datasec(base.raw(), ".data..percpu", 0x1000);
  btf__add_datasec_var_info(base.raw(), counter, 0x100, 4);
  fake::BtfBuilder module(base);
  module.structure("toy", 24, {{"list", head, 0}, {"next", module.alias("toy_t", word), 16}});
  const auto first = base.bytes(), second = module.bytes();
  corpora.add("btf", "split", with_size(as_text(first), as_text(second)));
}

// CPU 1 panicked in the handler of a page fault that a task took; a module has ORC entries too.
void write_orc(Corpora& corpora) {
  for (const auto format : {fake::OrcFormat::kV61, fake::OrcFormat::kV63, fake::OrcFormat::kV64}) {
    using fake::OrcKernel;
    OrcKernel guest(format);
    // With a name for init_task nobody searches the whole image for what has none.
    guest.symbols = {{0x1'fb80, 'D', "current_task"},
                     {0x1'fb90, 'D', "__preempt_count"},
                     {OrcKernel::kData + 0x300, 'D', "init_task"}};
    const std::uint64_t top = OrcKernel::kStack + OrcKernel::kStackSize, frame = top - 0x200;
    const auto panic = guest.plain("panic", 0);
    const auto entry = guest.function("asm_exc_page_fault");
    guest.row({.address = entry, .sp_reg = fake::kSp, .type = fake::kRegs});
    const auto victim = guest.plain("victim_function", 1);
    const auto fork = guest.function("ret_from_fork");
    guest.row({.address = fork, .end = true});
    guest.push(frame - 8, guest.after_call(entry, 0x22));
    guest.registers(frame, victim + 0xa3, top - 0x100);
    guest.push(top - 0xf8, guest.after_call(fork, 0x22));
    guest.push(OrcKernel::kTask + 32, OrcKernel::kStack);
    guest.memory.put(OrcKernel::kTask + 64, std::uint32_t{42});
    guest.memory.put_text(OrcKernel::kTask + 80, "victim");
    guest.push(OrcKernel::kPerCpu + 0x1'fb80, OrcKernel::kTask);
    guest.push(OrcKernel::kPerCpu + 0x10'0000 + 0x1'fb80, OrcKernel::kTask);
    guest.module({{.address = OrcKernel::kModule, .sp_reg = fake::kSp, .sp_offset = 8}});
    guest.kernel();
    const auto name = std::to_string(static_cast<int>(format));
    corpora.add("orc", name, fuzz::encode_image({guest.lines, {}, guest.memory.pages}));

    fake::MappedCore mapped(guest.memory, guest.lines);
    mapped.cpu(panic + 0x10, frame - 8, OrcKernel::kPerCpu + 0x10'0000);
    const std::string bytes = mapped.core.bytes(CoreFormat::kElf);
    const fuzz::MemoryFile file(as_bytes(bytes));
    const auto core = Core::open(file.path());
    if (!core) continue;
    GuestImage image{core->vmcoreinfo()->text(), core->cpus()[0].prstatus, {}};
    for (const PhysRange& range : core->memory().ranges()) {
      std::vector<std::byte> content(range.size);
      if (core->memory().read(range.begin, content)) image.pages.write(raw(range.begin), content);
    }
    corpora.add("questions", "stacks-" + name, fuzz::encode_image(image));
  }
}

void write_log(Corpora& corpora) {
  constexpr std::uint64_t kPrb = 0x1000, kRing = 0x2000, kDescs = 0x3000, kInfos = 0x4000,
                          kText = 0x5000;
  fake::FakeVirtMemory memory;
  memory.put(kPrb, kRing);
  memory.put(kRing, std::uint32_t{3});  // 8 descriptors
  memory.put(kRing + 8, kDescs);
  memory.put(kRing + 16, kInfos);
  memory.put(kRing + 24, std::uint64_t{9});  // head
  memory.put(kRing + 32, std::uint64_t{5});  // tail
  memory.put(kRing + 48, std::uint32_t{8});  // 256 bytes of text
  memory.put(kRing + 56, kText);
  for (std::uint64_t id = 5, at = 160; id < 10; ++id, at += 48) {
    const bool wraps = at % 256 + 48 > 256;
    const std::uint64_t next = wraps ? (at / 256 + 1) * 256 + 48 : at + 48;
    const std::uint64_t stored = wraps ? 0 : at % 256;
    memory.put(kDescs + id % 8 * 24, id | 2ull << 62);
    memory.put(kDescs + id % 8 * 24 + 8, at);
    memory.put(kDescs + id % 8 * 24 + 16, next);
    memory.put(kInfos + id % 8 * 88 + 8, std::uint64_t{3'123'456'789});
    memory.put(kInfos + id % 8 * 88 + 16, std::uint16_t{17});
    memory.put(kText + stored, id);
    memory.pages.write(kText + stored + 8, as_bytes("first line\nsecond"));
    at = next - 48;
  }
  GuestImage image;
  image.info = fakes::printk_vmcoreinfo(kPrb);
  image.pages = memory.pages;
  corpora.add("log", "ring", fuzz::encode_image(image));
}

void write_kernel(Corpora& corpora) {
  fake::KernelCore kernel;
  const SyntheticCore written = kernel.core();
  corpora.add("questions", "kdump-zstd", written.bytes(CoreFormat::kKdumpZstd));
  const std::string bytes = written.bytes(CoreFormat::kKdumpRaw);
  const fuzz::MemoryFile file(as_bytes(bytes));
  const auto core = Core::open(file.path());
  if (!core) return;
  GuestImage image{core->vmcoreinfo()->text(), core->cpus()[0].prstatus, {}};
  for (const std::uint64_t number : kernel.memory.pages.numbers()) {
    std::vector<std::byte> page(SyntheticCore::kPage);
    const std::uint64_t at = number * SyntheticCore::kPage;
    if (kernel.memory.read(VirtAddr{at}, page)) image.pages.write(at - kernel.kImage, page);
  }
  corpora.add("questions", "kernel", fuzz::encode_image(image));
}

// A healthy heap, and one with each list damaged.
void write_heap(Corpora& corpora) {
  for (const bool damaged : {false, true}) {
    fake::SyntheticHeap heap;
    heap.cache("kmalloc-256", 256);
    heap.cache("debugged", 512, 1, 0x8000'0c00, 256, 64);
    const auto partial = heap.slab(0), cpu_partial = heap.slab(0), active = heap.slab(0);
    heap.partial(partial, {3, 0, 7});
    heap.free(cpu_partial, {1, 2});
    heap.put_cpu_partial(1, {cpu_partial});
    heap.free(active, {9});
    heap.take(0, active, {4, 5, 6});
    heap.partial(heap.slab(1), {2, 5});
    heap.slab(1);
    if (damaged) {
      heap.point(partial, 7, heap.object(partial, 3));
      heap.point(cpu_partial, 2, heap.object(active, 9) + 8);
      heap.point(active, 9, heap.object(active, 5));
    }
    GuestImage image;
    image.pages = heap.memory.pages;
    corpora.add("slab", damaged ? "damaged" : "healthy", fuzz::encode_image(image));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds FOLDER\n");
    return 2;
  }
  Corpora corpora(argv[1]);
  write_cores(corpora);
  write_kallsyms(corpora);
  write_types(corpora);
  write_orc(corpora);
  write_log(corpora);
  write_heap(corpora);
  write_kernel(corpora);
  return 0;
}
