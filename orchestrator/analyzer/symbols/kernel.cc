// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/kernel.h"

#include <algorithm>

#include "analyzer/core/limits.h"
#include "analyzer/symbols/module_btf.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kFarFromSymbol = 4096;
constexpr std::uint64_t kMaxStruct = 1 << 20;
constexpr std::uint64_t kMaxModuleTypes = 64 << 20;

// Only where kallsyms names no variables.
std::optional<Hunt> start_hunt(const VirtMemory& memory, const Vmcoreinfo& info,
                               const Kallsyms& symbols, std::vector<std::string>& remarks) {
  if (symbols.address("init_task")) return std::nullopt;
  auto hunt = Hunt::start(memory, info, symbols);
  std::string words =
      "symbols: kallsyms names functions only (CONFIG_KALLSYMS_ALL is off), so that not every "
      "variable can be found";
  if (hunt && hunt->exported() != 0) {
    words += fmt::format("; {} exported symbols help", hunt->exported());
  }
  remarks.push_back(std::move(words));
  return hunt;
}

std::optional<Btf> find_types(const VirtMemory& memory, const Kallsyms& symbols,
                              const std::optional<Hunt>& hunt, std::vector<std::string>& remarks) {
  const auto begin = symbols.address("__start_BTF");
  const auto end = symbols.address("__stop_BTF");
  if (begin && end) {
    auto types = read_kernel_btf(memory, *begin, *end);
    if (types) return *std::move(types);
    remarks.push_back("no types: " + types.error().message());
    return std::nullopt;
  }
  if (hunt && hunt->types()) return hunt->types();
  remarks.push_back("no types: this kernel carries no BTF (CONFIG_DEBUG_INFO_BTF)");
  return std::nullopt;
}

// Sections whose symbols nm calls data, because the linker may write to them.
constexpr std::pair<std::string_view, std::string_view> kConstants{"__start_rodata",
                                                                   "__end_rodata"};

bool lies_between(const Kernel& kernel, VirtAddr address,
                  std::pair<std::string_view, std::string_view> symbols) {
  const auto begin = kernel.symbol(symbols.first), end = kernel.symbol(symbols.second);
  return begin && end && address >= *begin && address < *end;
}

}  // namespace

Kernel::Kernel(const VirtMemory& memory, const Vmcoreinfo& info, std::optional<Kallsyms> symbols,
               std::optional<Btf> types, std::optional<Modules> modules, std::optional<Hunt> hunt)
    : memory_(&memory),
      info_(&info),
      symbols_(std::move(symbols)),
      types_(std::move(types)),
      modules_(std::move(modules)),
      hunt_(std::move(hunt)),
      text_begin_(symbol("_stext")),
      text_end_(symbol("_etext")),
      init_begin_(symbol("_sinittext")),
      init_end_(symbol("_einittext")),
      image_end_(symbol("_end")) {}

Kernel Kernel::read(const VirtMemory& memory, const Vmcoreinfo& info,
                    std::vector<std::string>& remarks) {
  auto symbols = Kallsyms::read(memory, info);
  if (!symbols) {
    remarks.push_back("no symbols: " + symbols.error().message());
    return Kernel(memory, info, {}, {});
  }
  if (const auto lost = symbols->lost(); lost != 0) {
    remarks.push_back(
        fmt::format("symbols: the names of {} of {} are not in the core", lost, symbols->size()));
  }
  auto hunt = start_hunt(memory, info, *symbols, remarks);
  auto types = find_types(memory, *symbols, hunt, remarks);
  if (!types) return Kernel(memory, info, *std::move(symbols), {}, {}, std::move(hunt));
  auto list = symbols->address("modules");
  if (!list && hunt) list = hunt->address("modules", *symbols);
  std::optional<Modules> modules;
  if (!list) {
    remarks.push_back("no modules: where the kernel keeps their list is not known");
  } else if (auto found = Modules::read(memory, *types, *list, remarks)) {
    modules = *std::move(found);
  } else {
    remarks.push_back("no modules: " + found.error().message());
  }
  return Kernel(memory, info, *std::move(symbols), *std::move(types), std::move(modules),
                std::move(hunt));
}

// Since 36e68442d1af (v5.11) modules have them. Loading ends with module.btf_data being NULL again.
const Btf* Kernel::types_of(const Module& module) const {
  const auto [slot, fresh] = module_types_.try_emplace(module.at);
  std::optional<Btf>& types = slot->second;
  if (!fresh || !types_) return types ? &*types : nullptr;
  ModuleBtf found;  // of no size: none
  if (const auto list = symbol("btf_modules")) {
    found = find_module_btf(*memory_, *types_, *list, module.at).value_or(found);
  }
  if (const auto data = field(module.at, "module.btf_data").value_or(0); data != 0) {
    found = {VirtAddr{data}, field(module.at, "module.btf_data_size").value_or(0)};
  }
  if (found.size == 0 || found.size > kMaxModuleTypes) return nullptr;
  std::vector<std::byte> bytes(found.size);
  if (!memory_->read(found.data, bytes)) return nullptr;
  if (auto parsed = Btf::parse_split(std::move(bytes), *types_)) types = *std::move(parsed);
  return types ? &*types : nullptr;
}

std::optional<VirtAddr> Kernel::symbol(std::string_view name) const {
  if (symbols_) {
    if (const auto found = symbols_->address(name)) return found;
  }
  if (const auto found = info_->symbol(name)) return found;
  return hunt_ && symbols_ ? hunt_->address(name, *symbols_) : std::nullopt;
}

std::optional<Member> Kernel::member(std::string_view path) const {
  return types_ ? types_->member(path) : std::nullopt;
}

std::optional<std::uint64_t> Kernel::field(VirtAddr object, std::string_view path) const {
  auto found = member(path);
  if (!found || found->size == 0 || found->size > sizeof(std::uint64_t)) return std::nullopt;
  std::array<std::byte, sizeof(std::uint64_t)> bytes{};
  const auto part = MutableBytes(bytes).first(found->size);
  if (!memory_->read(object + found->offset, part)) return std::nullopt;
  found->offset = 0;
  return extract(*found, part);
}

std::string Kernel::text_field(VirtAddr object, std::string_view path) const {
  const auto found = member(path);
  if (!found || found->size > kMaxStruct) return {};
  return memory_->c_string(object + found->offset, found->size);
}

std::optional<std::uint64_t> Kernel::per_cpu_offset(unsigned cpu) const {
  const auto table = symbol("__per_cpu_offset");
  if (!table || cpu >= kMaxCpus) return std::nullopt;
  // Behind the last possible CPU's the table holds whatever was linked there.
  const auto possible = variable<std::uint32_t>("nr_cpu_ids");
  if (possible && *possible != 0 && cpu >= *possible) return std::nullopt;
  const auto offset = memory_->load<std::uint64_t>(*table + cpu * sizeof(std::uint64_t));
  return offset ? std::optional(*offset) : std::nullopt;
}

std::vector<std::uint64_t> Kernel::per_cpu_offsets(std::size_t most) const {
  const auto table = symbol("__per_cpu_offset");
  if (!table) return {};
  const auto possible = variable<std::uint32_t>("nr_cpu_ids");
  most = std::min<std::size_t>(most, kMaxCpus);
  if (possible && *possible != 0) most = std::min<std::size_t>(most, *possible);
  std::vector<std::uint64_t> offsets(most);
  memory_->read_with_holes(*table, std::as_writable_bytes(std::span(offsets)));
  return offsets;
}

std::optional<VirtAddr> Kernel::per_cpu(unsigned cpu, std::string_view name) const {
  const auto variable = symbol(name);
  const auto offset = per_cpu_offset(cpu);
  if (!variable || !offset) return std::nullopt;
  return *variable + *offset;
}

std::optional<Symbol> Kernel::nearest_per_cpu(VirtAddr address) const {
  if (hunt_) return hunt_->nearest_per_cpu(address);
  return symbols_ ? symbols_->nearest_per_cpu(address) : std::nullopt;
}

bool Kernel::in_image(VirtAddr address) const {
  // Without CONFIG_KALLSYMS_ALL there is no symbol behind the text.
  const auto end = image_end_ ? image_end_ : text_end_;
  return text_begin_ && end && address >= *text_begin_ && address < *end;
}

bool Kernel::is_code(VirtAddr address) const {
  if (text_begin_ && text_end_ && address >= *text_begin_ && address < *text_end_) return true;
  if (init_begin_ && init_end_ && address >= *init_begin_ && address < *init_end_) return true;
  const Module* module = modules_ ? modules_->containing(address) : nullptr;
  return module && module->range_of(address)->text;
}

std::optional<CodeLocation> Kernel::code(VirtAddr address) const {
  if (!is_code(address)) return std::nullopt;
  const Module* module = modules_ ? modules_->containing(address) : nullptr;
  if (!module) {
    const auto found = symbols_ ? symbols_->nearest(address) : std::nullopt;
    if (!found) return std::nullopt;
    return CodeLocation{address, std::string(found->name), address - found->address, {}};
  }
  const auto found = modules_->nearest(*module, address);
  if (!found) return CodeLocation{address, {}, address - module->ranges[0].begin, module->name};
  return CodeLocation{address, found->name, raw(address) - found->address, module->name};
}

std::optional<std::string> Kernel::data(VirtAddr address) const {
  if (in_image(address)) {
    // A table of functions would name the last one.
    if (hunt_) return std::nullopt;
    const auto found = symbols_ ? symbols_->nearest(address) : std::nullopt;
    if (!found) return std::nullopt;
    const auto distance = address - found->address;
    // String literals and constants have no symbols of their own: they only lie behind one.
    if (distance >= kFarFromSymbol &&
        (found->type == 'r' || found->type == 'R' || lies_between(*this, address, kConstants))) {
      return fmt::format("without a symbol, {:#x} behind {}", distance, found->name);
    }
    return fmt::format("{}+{:#x}", found->name, distance);
  }
  const Module* module = modules_ ? modules_->containing(address) : nullptr;
  if (!module) return std::nullopt;
  if (const auto found = modules_->nearest(*module, address)) {
    return fmt::format("{}+{:#x} [{}]", found->name, raw(address) - found->address, module->name);
  }
  return fmt::format("[{}]+{:#x}", module->name, address - module->ranges[0].begin);
}

const std::optional<Orc>& Kernel::orc() const {
  if (orc_) return *orc_;
  orc_.emplace();
  const auto distances = symbol("__start_orc_unwind_ip");
  const auto end = symbol("__stop_orc_unwind_ip");
  const auto entries = symbol("__start_orc_unwind");
  if (types_ && distances && end && entries && *end >= *distances) {
    *orc_ = Orc::open(*memory_, *types_,
                      {*distances, *entries, (*end - *distances) / sizeof(std::int32_t)});
  }
  return *orc_;
}

std::optional<OrcEntry> Kernel::unwind_entry(VirtAddr address) const {
  if (!orc() || !is_code(address)) return std::nullopt;
  if (in_image(address)) return orc()->find(address);
  const Module* module = modules_ ? modules_->containing(address) : nullptr;
  return module ? orc()->find(*module, address) : std::nullopt;
}

std::string to_string(const CodeLocation& location) {
  std::string text = location.function.empty()
                         ? fmt::format("{}", location.address)
                         : fmt::format("{}+{:#x}", location.function, location.offset);
  if (!location.module.empty()) text += fmt::format(" [{}]", location.module);
  return text;
}

}  // namespace rig::analyzer
