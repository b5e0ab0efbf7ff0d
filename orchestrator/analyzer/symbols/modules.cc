// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/modules.h"

#include <algorithm>

#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxModuleSize = 256 << 20;
constexpr std::uint32_t kMaxModuleSymbols = 1 << 18;
constexpr std::uint64_t kMaxNames = 16 << 20;
constexpr std::uint64_t kMaxModuleSymbolName = 512;

// Elf64_Sym.
struct ElfSymbol {
  std::uint32_t name;
  std::uint8_t info;
  std::uint8_t other;
  std::uint16_t section;
  std::uint64_t value;
  std::uint64_t size;
};
static_assert(sizeof(ElfSymbol) == 24);

// Where struct module says what memory it has. Members, because the layout changed:
// ac3b43283923 (v6.4) replaced core_layout and init_layout by mem[], whose first entry is the text.
class RangeReader {
 public:
  explicit RangeReader(const Btf& types) {
    if (const auto base = types.member("module.core_layout.base")) {
      add(base, types.member("module.core_layout.size"),
          types.member("module.core_layout.text_size"));
      add(types.member("module.init_layout.base"), types.member("module.init_layout.size"),
          types.member("module.init_layout.text_size"));
      return;
    }
    const auto array = types.member("module.mem");
    const auto each = types.size_of("module_memory");
    const auto base = types.member("module_memory.base");
    const auto size = types.member("module_memory.size");
    const auto init_text = types.enumerator("mod_mem_type", "MOD_INIT_TEXT");
    if (!array || !each || !base || !size) return;
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(array->elements.value_or(0), 16); ++i) {
      const auto offset = array->offset + i * *each;
      const bool text = i == 0 || (init_text && i == static_cast<std::uint64_t>(*init_text));
      slots_.push_back({offset + base->offset, offset + size->offset, {}, text});
    }
  }

  bool usable() const { return !slots_.empty(); }

  std::vector<ModuleRange> ranges(ByteView module) const {
    std::vector<ModuleRange> ranges;
    for (const Slot& slot : slots_) {
      const auto base = load<std::uint64_t>(module, slot.base);
      const auto size = load<std::uint32_t>(module, slot.size);
      if (!base || !size || *base == 0 || *size == 0 || *size > kMaxModuleSize) continue;
      if (slot.text_size) {
        const auto text = std::min(load<std::uint32_t>(module, *slot.text_size).value_or(0), *size);
        if (text > 0) ranges.push_back({VirtAddr{*base}, text, true});
        if (text < *size) ranges.push_back({VirtAddr{*base + text}, *size - text, false});
      } else {
        ranges.push_back({VirtAddr{*base}, *size, slot.text});
      }
    }
    return ranges;
  }

 private:
  struct Slot {
    std::uint64_t base, size;
    std::optional<std::uint64_t> text_size;  // the part of `size` that is code comes first
    bool text;
  };

  void add(const std::optional<Member>& base, const std::optional<Member>& size,
           const std::optional<Member>& text) {
    if (base && size && text) slots_.push_back({base->offset, size->offset, text->offset, false});
  }

  std::vector<Slot> slots_;
};

// "$x", "$d.1": arm64's toolchain marks with them where code and data begin (AAELF64, "mapping
// symbols"); ".L…" are the compiler's own labels. Neither names anything.
bool marks_a_mapping(std::string_view name) {
  if (name.starts_with(".L")) return true;
  return name.size() >= 2 && name[0] == '$' && (name[1] == 'x' || name[1] == 'd') &&
         (name.size() == 2 || name[2] == '.');
}

// Its static per-CPU variables, where the kernel's types tell of them.
ModuleRange per_cpu_area(const Btf& types, ByteView module) {
  const auto pointer = types.member("module.percpu");
  const auto size = types.member("module.percpu_size");
  if (!pointer || !size) return {};
  const auto begin = extract(*pointer, module).value_or(0);
  if (begin == 0) return {};
  return {VirtAddr{begin}, extract(*size, module).value_or(0), false};
}

}  // namespace

const ModuleRange* Module::range_of(VirtAddr address) const {
  for (const ModuleRange& range : ranges) {
    if (address - range.begin < range.size) return &range;
  }
  return nullptr;
}

Result<Modules> Modules::read(const VirtMemory& memory, const Btf& types, VirtAddr list,
                              std::vector<std::string>& remarks) {
  const auto size = types.size_of("module");
  const auto link = types.member("module.list");
  const auto name = types.member("module.name");
  const RangeReader reader(types);
  if (!size || *size > (1 << 20) || !link || !name || !reader.usable()) {
    return fail(Blame::kInput, "this kernel's struct module is not one we know");
  }
  Modules result;
  result.memory_ = &memory;
  const auto kallsyms = types.member("module.kallsyms");
  const auto symtab = types.member("mod_kallsyms.symtab");
  const auto num_symtab = types.member("mod_kallsyms.num_symtab");
  const auto strtab = types.member("mod_kallsyms.strtab");
  if (kallsyms && symtab && num_symtab && strtab) {
    result.table_ =
        SymbolTable{kallsyms->offset, symtab->offset, num_symtab->offset, strtab->offset, {}};
    if (const auto types_at = types.member("mod_kallsyms.typetab")) {
      result.table_->typetab = types_at->offset;
    }
  }
  std::vector<std::byte> bytes(*size);
  auto next = memory.load<std::uint64_t>(list);
  while (next && *next != raw(list)) {
    if (result.modules_.size() == kMaxModules) {
      remarks.push_back(fmt::format("modules: the list does not end after {}", kMaxModules));
      break;
    }
    const VirtAddr at{*next - link->offset};
    if (const auto got = memory.read(at, bytes); !got) {
      remarks.push_back(fmt::format("modules: the list is broken after {} of them, at {} ({})",
                                    result.modules_.size(), at, to_string(got.error().why)));
      break;
    }
    const auto text = slice(bytes, name->offset, name->size);
    if (!text) break;
    Module module{at, std::string(as_text(*text)), reader.ranges(bytes),
                  per_cpu_area(types, bytes)};
    module.name.resize(std::min(module.name.find('\0'), module.name.size()));
    result.modules_.push_back(std::move(module));
    next = load<std::uint64_t>(bytes, link->offset).value_or(raw(list));
  }
  if (!next) remarks.push_back("modules: the head of the list cannot be read");
  result.symbols_.resize(result.modules_.size());
  return result;
}

const Module* Modules::containing(VirtAddr address) const {
  for (const Module& module : modules_) {
    if (module.range_of(address)) return &module;
  }
  return nullptr;
}

const std::vector<ModuleSymbol>& Modules::symbols_of(std::size_t index) const {
  auto& cached = symbols_[index];
  if (cached) return *cached;
  cached.emplace();
  if (!table_) return *cached;
  const Module& module = modules_[index];
  const auto table = memory_->load<std::uint64_t>(module.at + table_->kallsyms);
  if (!table) return *cached;
  const VirtAddr kallsyms{*table};
  const auto symtab = memory_->load<std::uint64_t>(kallsyms + table_->symtab);
  const auto count = memory_->load<std::uint32_t>(kallsyms + table_->num_symtab);
  const auto strtab = memory_->load<std::uint64_t>(kallsyms + table_->strtab);
  if (!symtab || !count || !strtab || *count > kMaxModuleSymbols) return *cached;

  const auto bytes = memory_->read_up_to(VirtAddr{*symtab}, *count * sizeof(ElfSymbol));
  std::vector<ElfSymbol> symbols(bytes.size() / sizeof(ElfSymbol));
  if (!symbols.empty()) {
    std::memcpy(symbols.data(), bytes.data(), symbols.size() * sizeof(ElfSymbol));
  }
  std::uint64_t names_size = 0;
  for (const ElfSymbol& symbol : symbols) {
    if (symbol.name < kMaxNames) {
      names_size = std::max(names_size, std::uint64_t{symbol.name} + kMaxModuleSymbolName);
    }
  }
  const auto names = memory_->read_up_to(VirtAddr{*strtab}, names_size);
  std::vector<std::byte> letters;
  if (table_->typetab) {
    const auto typetab = memory_->load<std::uint64_t>(kallsyms + *table_->typetab);
    if (typetab) letters = memory_->read_up_to(VirtAddr{*typetab}, symbols.size());
  }
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    const ElfSymbol& symbol = symbols[i];
    const bool per_cpu = VirtAddr{symbol.value} - module.per_cpu.begin < module.per_cpu.size;
    if (symbol.section == 0 || (!per_cpu && !module.range_of(VirtAddr{symbol.value}))) continue;
    const auto name = load_c_string(names, symbol.name);
    if (!name || name->empty() || marks_a_mapping(*name)) continue;
    const char letter = static_cast<char>(load<std::uint8_t>(letters, i).value_or('?'));
    const bool printable = letter > ' ' && letter < 0x7f;
    cached->push_back({symbol.value, std::string(*name), printable ? letter : '?'});
  }
  std::ranges::stable_sort(*cached, {}, &ModuleSymbol::address);
  return *cached;
}

std::optional<VirtAddr> Modules::per_cpu(std::string_view name) const {
  for (std::size_t i = 0; i < modules_.size(); ++i) {
    const ModuleRange& area = modules_[i].per_cpu;
    if (area.size == 0) continue;
    for (const ModuleSymbol& symbol : symbols_of(i)) {
      const VirtAddr at{symbol.address};
      if (at - area.begin < area.size && symbol.name == name) return at;
    }
  }
  return std::nullopt;
}

const std::vector<ModuleSymbol>& Modules::symbols(const Module& module) const {
  static const std::vector<ModuleSymbol> kNone;
  const auto index = static_cast<std::size_t>(&module - modules_.data());
  return index < modules_.size() ? symbols_of(index) : kNone;
}

std::optional<ModuleSymbol> Modules::nearest(const Module& module, VirtAddr address) const {
  const auto index = static_cast<std::size_t>(&module - modules_.data());
  const ModuleRange* range = module.range_of(address);
  if (index >= modules_.size() || !range) return std::nullopt;
  const auto& symbols = symbols_of(index);
  auto after = std::ranges::upper_bound(symbols, raw(address), {}, &ModuleSymbol::address);
  if (after == symbols.begin()) return std::nullopt;
  const auto first = std::ranges::lower_bound(symbols.begin(), after, std::prev(after)->address, {},
                                              &ModuleSymbol::address);
  if (first->address < raw(range->begin)) return std::nullopt;
  return *first;
}

}  // namespace rig::analyzer
