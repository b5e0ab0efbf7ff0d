// SPDX-License-Identifier: Apache-2.0
// Addresses that have a name: code and data of the kernel and its modules, per-CPU memory, stacks.
#include <algorithm>

#include "analyzer/facts/address.h"
#include "analyzer/facts/percpu.h"

namespace rig::analyzer {
namespace {

struct Section {
  std::string_view begin, end, words;
};

// include/asm-generic/sections.h. The parts of what is freed after the start come first.
constexpr Section kSections[] = {
    {"_sinittext", "_einittext", "init code: its memory is given back after the start"},
    {"__init_begin", "__init_end", "init data: its memory is given back after the start"},
    {"_stext", "_etext", "the kernel's code"},
    {"__start_rodata", "__end_rodata", "the kernel's constants"},
    {"_sdata", "_edata", "the kernel's data"},
    {"__bss_start", "__bss_stop", "the kernel's data that begins as zeroes"},
};

std::string kernel_section(const Kernel& kernel, VirtAddr address) {
  for (const Section& each : kSections) {
    const auto begin = kernel.symbol(each.begin), end = kernel.symbol(each.end);
    if (begin && end && address >= *begin && address < *end) return std::string(each.words);
  }
  return {};
}

// Which part of a module's memory: struct module_layout until ac3b43283923 (v6.4), since then
// struct module_memory by enum mod_mem_type.
std::string module_section(const Inquiry& inquiry, const Module& module) {
  const FieldReader& fields = inquiry.fields;
  const auto distance = [&](const char* base) {
    return raw(inquiry.address) - fields.value(module.at, base).value_or(0);
  };
  for (const auto& each : {std::pair("core_layout", ""), {"init_layout", "init "}}) {
    // clang 14 captures no structured binding.
    const char* part = each.first;
    const char* name = each.second;
    const auto path = [&](std::string_view member) {
      return fields.value(module.at, fmt::format("module.{}.{}", part, member)).value_or(0);
    };
    const auto offset = distance(fmt::format("module.{}.base", part).c_str());
    if (offset >= path("size")) continue;
    if (offset < path("text_size")) return fmt::format("{}code of the module", name);
    if (offset < path("ro_size")) return fmt::format("{}constants of the module", name);
    if (offset < path("ro_after_init_size")) {
      return fmt::format("{}data of the module, read-only after its start", name);
    }
    return fmt::format("{}data of the module", name);
  }
  const auto array = fields.member("module.mem");
  const auto size =
      fields.kernel().types() ? fields.kernel().types()->size_of("module_memory") : std::nullopt;
  for (const auto& [type, words] : {std::pair("MOD_TEXT", "code"),
                                    {"MOD_DATA", "data"},
                                    {"MOD_RODATA", "constants"},
                                    {"MOD_RO_AFTER_INIT", "data, read-only after its start,"},
                                    {"MOD_INIT_TEXT", "init code"},
                                    {"MOD_INIT_DATA", "init data"},
                                    {"MOD_INIT_RODATA", "init constants"}}) {
    const auto index =
        array && size ? fields.kernel().types()->enumerator("mod_mem_type", type) : std::nullopt;
    if (!index || *index < 0) continue;
    const VirtAddr each = module.at + array->offset + static_cast<std::uint64_t>(*index) * *size;
    const auto base = fields.value(each, "module_memory.base").value_or(0);
    if (raw(inquiry.address) - base < fields.value(each, "module_memory.size").value_or(0)) {
      return fmt::format("{} of the module", words);
    }
  }
  return {};
}

// A static per-CPU variable of a module, by the pointer to it.
std::optional<std::string> module_variable(const Kernel& kernel, VirtAddr pointer) {
  if (!kernel.modules()) return std::nullopt;
  for (const Module& module : kernel.modules()->all()) {
    if (pointer - module.per_cpu.begin >= module.per_cpu.size) continue;
    const ModuleSymbol* found = nullptr;
    for (const ModuleSymbol& each : kernel.modules()->symbols(module)) {
      const VirtAddr at{each.address};
      if (at >= module.per_cpu.begin && at <= pointer) found = &each;
    }
    if (!found) return fmt::format("the static variables of [{}]", module.name);
    return fmt::format("{}+{:#x} [{}]", found->name, raw(pointer) - found->address, module.name);
  }
  return std::nullopt;
}

// The function whose frame is at `address`: the last that began at or below it.
std::string frame_words(const Backtrace& trace, const StackRange& stack, VirtAddr address) {
  const BacktraceFrame* frame = nullptr;
  bool any = false;
  for (const BacktraceFrame& each : trace.frames) {
    if (!stack.contains(each.sp)) continue;
    any = true;
    if (each.sp <= address && (!frame || each.sp >= frame->sp)) frame = &each;
  }
  if (!any) return {};
  if (!frame) return "below the stack pointer: of calls that have returned";
  return fmt::format("{}, {:#x} above its stack pointer{}", to_string(frame->at),
                     address - frame->sp, frame->reliable ? "" : " (guessed)");
}

std::string frame_at(Session& session, const StackRange& stack, VirtAddr address) {
  for (const CpuSnapshot& cpu : session.cpus()) {
    const bool its = std::ranges::any_of(
        cpu.stacks, [&](const StackRange& each) { return each.begin == stack.begin; });
    if (its) return frame_words(session.backtrace(cpu), stack, address);
  }
  for (const Task& task : session.tasks()) {
    if (task.stack.begin != stack.begin) continue;
    return frame_words(session.backtrace(task), stack, address);
  }
  return {};
}

}  // namespace

std::optional<AddressFacts> address_of_symbol(Inquiry& inquiry) {
  const Kernel& kernel = inquiry.kernel;
  if (!inquiry.region.worth_asking) return std::nullopt;
  const auto code = kernel.code(inquiry.address);
  const auto data = code ? std::nullopt : kernel.data(inquiry.address);
  const Module* module = kernel.modules() ? kernel.modules()->containing(inquiry.address) : nullptr;
  // Without names for data the image is still known.
  const bool image = inquiry.region.words == "in the kernel's image";
  if (!code && !data && !image) return std::nullopt;
  AddressFacts facts = code   ? known_address(inquiry, "code", "code " + to_string(*code))
                       : data ? known_address(inquiry, "data", "data " + *data)
                              : known_address(inquiry, "data", "static data of the kernel");
  add_detail(facts, "section",
             module ? module_section(inquiry, *module) : kernel_section(kernel, inquiry.address));
  if (!code && !data) {
    add_detail(facts, "why no name", "this kernel's kallsyms has functions only");
  }
  if (module) add_detail(facts, "module", fmt::format("{} at {}", module->name, module->at));
  return facts;
}

std::optional<AddressFacts> address_of_per_cpu(Inquiry& inquiry) {
  if (!inquiry.region.worth_asking) return std::nullopt;
  PerCpu per_cpu(inquiry.kernel, static_cast<unsigned>(inquiry.session.cpus().size()),
                 inquiry.layout.page_size);
  for (std::size_t cpu = 0; cpu < per_cpu.offsets().size(); ++cpu) {
    if (per_cpu.offsets()[cpu] == 0) continue;
    const VirtAddr pointer = inquiry.address - per_cpu.offsets()[cpu];
    std::string words;
    if (const auto found = inquiry.kernel.nearest_per_cpu(pointer)) {
      words = fmt::format("per-CPU {}+{:#x} of CPU {}", found->name, pointer - found->address, cpu);
    } else if (const auto own = module_variable(inquiry.kernel, pointer)) {
      words = fmt::format("per-CPU {} of CPU {}", *own, cpu);
    } else if (const auto place = per_cpu.place(pointer)) {
      words = fmt::format("per-CPU memory of CPU {}, {}", cpu, place->words);
    }
    if (words.empty()) continue;
    AddressFacts facts = known_address(inquiry, "per-cpu", std::move(words));
    add_detail(facts, "CPU", std::to_string(cpu));
    add_detail(facts, "pointer", fmt::format("{}", pointer));
    for (const PerCpuChunk& chunk : per_cpu.chunks()) {
      const VirtAddr unit = chunk.base + (per_cpu.offsets()[cpu] - per_cpu.offsets()[0]);
      if (inquiry.address - unit >= chunk.size()) continue;
      add_detail(facts, "chunk",
                 fmt::format("{} ({}), +{:#x}", chunk.at, chunk.list, inquiry.address - unit));
    }
    return facts;
  }
  return std::nullopt;
}

std::optional<AddressFacts> address_on_stack(Inquiry& inquiry) {
  for (const StackRange& each : inquiry.session.stacks()) {
    if (!each.contains(inquiry.address)) continue;
    AddressFacts facts = known_address(inquiry, "stack", each.name);
    const std::string frame = frame_at(inquiry.session, each, inquiry.address);
    if (!frame.empty()) facts.words += ", frame of " + frame;
    if (frame.starts_with("below")) facts.words = each.name + ", " + frame;
    add_detail(facts, "range", fmt::format("{} to {}", each.begin, each.end()));
    add_detail(facts, "below its top", fmt::format("{:#x}", each.end() - inquiry.address));
    return facts;
  }
  return std::nullopt;
}

// arch/x86/include/asm/fixmap.h: slots by number, downwards from FIXADDR_TOP.
std::optional<AddressFacts> address_in_fixmap(Inquiry& inquiry) {
  constexpr std::uint64_t kTop = 0xffff'ffff'ff7f'f000, kVsyscall = 0xffff'ffff'ff60'0000;
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t page = align_down(raw(inquiry.address), kPage);
  if (inquiry.region.words != "in the fixmap" || page > kTop) return std::nullopt;
  if (page == kVsyscall) {
    return known_address(inquiry, "fixmap", "the vsyscall page, which user programs may call");
  }
  const auto& types = inquiry.kernel.types();
  const auto ids = types ? types->named("fixed_addresses") : std::vector<std::uint32_t>{};
  const auto slots = ids.empty() ? std::nullopt : types->type(ids.front());
  const auto slot = static_cast<std::int64_t>((kTop - page) / kPage);
  std::optional<TypeEnumerator> found;
  for (std::uint32_t i = 0; slots && i < slots->count; ++i) {
    const auto each = types->enumerator(*slots, i);
    if (each && each->value <= slot && (!found || each->value > found->value)) found = each;
  }
  if (!found) return std::nullopt;
  AddressFacts facts =
      known_address(inquiry, "fixmap",
                    fmt::format("in the fixmap, slot {}+{}", found->name, slot - found->value));
  const auto physical = inquiry.kernel.memory().translate(inquiry.address);
  add_detail(
      facts, "physical",
      physical ? fmt::format("{}", *physical) : std::string(to_string(physical.error().why)));
  return facts;
}

}  // namespace rig::analyzer
