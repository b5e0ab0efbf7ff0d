// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/kallsyms.h"

#include <algorithm>
#include <array>
#include <span>

namespace rig::analyzer {
namespace {

constexpr std::uint32_t kMaxSymbols = 1'000'000;
constexpr std::uint64_t kMaxNames = 256 << 20;  // bytes of all names, expanded
constexpr std::uint64_t kMaxTokenTable = 64 << 10;
constexpr std::size_t kTokens = 256;
constexpr std::size_t kMaxNameLength = 4096;  // KSYM_NAME_LEN is 512
// No static per-CPU area is larger; no kernel address is smaller.
constexpr std::uint64_t kMaxPerCpuArea = 64 << 20;

// Where the kernel says that its tables are.
struct Tables {
  VirtAddr names, token_table, token_index, offsets;
  std::uint32_t count = 0;
  std::uint64_t relative_base = 0;
};

Result<Tables> locate(const VirtMemory& memory, const Vmcoreinfo& info) {
  std::string missing;
  const auto find = [&](std::string_view name) {
    const auto found = info.symbol(name);
    if (!found && missing.empty()) missing = name;
    return found.value_or(VirtAddr{});
  };
  Tables tables{find("kallsyms_names"),
                find("kallsyms_token_table"),
                find("kallsyms_token_index"),
                find("kallsyms_offsets"),
                0,
                0};
  const VirtAddr count = find("kallsyms_num_syms");
  const VirtAddr base = find("kallsyms_relative_base");
  if (!missing.empty()) {
    return fail(Blame::kInput, "VMCOREINFO has no SYMBOL({}) (kernels before 6.0 do not say)",
                missing);
  }
  const auto symbols = memory.load<std::uint32_t>(count);
  const auto relative_base = memory.load<std::uint64_t>(base);
  if (!symbols || !relative_base) {
    return fail(Blame::kInput, "kallsyms: the number of symbols cannot be read ({})",
                to_string((symbols ? relative_base.error() : symbols.error()).why));
  }
  if (*symbols == 0 || *symbols > kMaxSymbols) {
    return fail(Blame::kInput, "kallsyms: {} symbols cannot be right", *symbols);
  }
  tables.count = *symbols;
  tables.relative_base = *relative_base;
  return tables;
}

// The text of each of the 256 tokens.
Result<std::array<std::string, kTokens>> read_tokens(const VirtMemory& memory,
                                                     const Tables& tables) {
  std::array<std::string, kTokens> tokens;
  std::array<std::uint16_t, kTokens> starts{};
  if (!memory.read(tables.token_index, std::as_writable_bytes(std::span(starts)))) {
    return fail(Blame::kInput, "kallsyms: the token index at {} is not in the core",
                tables.token_index);
  }
  const auto bytes = memory.read_up_to(tables.token_table, kMaxTokenTable + 64);
  for (std::size_t token = 0; token < kTokens; ++token) {
    const auto text = load_c_string(bytes, starts[token]);
    if (!text) return fail(Blame::kInput, "kallsyms: token {} lies outside its table", token);
    tokens[token] = *text;
  }
  return tokens;
}

// CONFIG_KALLSYMS_ABSOLUTE_PERCPU (x86_64 with SMP, until v6.15): an offset that is not negative is
// absolute, the others count down from the base. Without it all are unsigned and from the base.
// Nothing says which it is, but only the first kind has negative offsets in plenty.
bool is_absolute_per_cpu(std::span<const std::int32_t> offsets) {
  const auto negative = std::ranges::count_if(offsets, [](auto offset) { return offset < 0; });
  return static_cast<std::size_t>(negative) > offsets.size() / 2;
}

std::uint64_t address_of(std::int32_t offset, std::uint64_t base, bool absolute_per_cpu) {
  if (!absolute_per_cpu) return base + static_cast<std::uint32_t>(offset);
  if (offset >= 0) return static_cast<std::uint32_t>(offset);
  return base - 1 - static_cast<std::uint64_t>(static_cast<std::int64_t>(offset));
}

}  // namespace

// The names, expanded one after the other. Their bytes are taken in pieces: where they end is known
// only after the last name.
class Kallsyms::Names {
 public:
  Names(const VirtMemory& memory, VirtAddr from, std::span<const std::string, kTokens> tokens)
      : memory_(memory), next_(from), tokens_(tokens) {}

  // Appends the next one, the symbol's type before it. False when the bytes end before.
  bool append_next(std::string& out) {
    const auto first = byte();
    if (!first) return false;
    std::size_t length = *first;
    if ((length & 0x80) != 0) {  // since 73bbb94466fd (v6.1) a length may take two bytes
      const auto second = byte();
      if (!second) return false;
      length = (length & 0x7f) | static_cast<std::size_t>(*second) << 7;
    }
    for (; length > 0; --length) {
      const auto token = byte();
      if (!token) return false;
      out += tokens_[*token];
    }
    return true;
  }

 private:
  std::optional<std::uint8_t> byte() {
    if (position_ == piece_.size() && !refill()) return std::nullopt;
    return std::to_integer<std::uint8_t>(piece_[position_++]);
  }

  bool refill() {
    piece_ = memory_.read_up_to(next_, 64 << 10);
    next_ += piece_.size();
    position_ = 0;
    return !piece_.empty();
  }

  const VirtMemory& memory_;
  VirtAddr next_;
  std::span<const std::string, kTokens> tokens_;
  std::vector<std::byte> piece_;
  std::size_t position_ = 0;
};

Result<Kallsyms> Kallsyms::read(const VirtMemory& memory, const Vmcoreinfo& info) {
  RIG_ASSIGN(const Tables tables, locate(memory, info));
  RIG_ASSIGN(const auto tokens, read_tokens(memory, tables));
  std::vector<std::int32_t> offsets(tables.count);
  if (!memory.read(tables.offsets, std::as_writable_bytes(std::span(offsets)))) {
    return fail(Blame::kInput, "kallsyms: the addresses at {} are not whole in the core",
                tables.offsets);
  }
  const bool absolute_per_cpu = is_absolute_per_cpu(offsets);

  Kallsyms result;
  result.entries_.reserve(tables.count);
  result.names_.reserve(tables.count * 28ull);
  Names names(memory, tables.names, tokens);
  for (std::uint32_t i = 0; i < tables.count; ++i) {
    const std::size_t begin = result.names_.size();
    if (!names.append_next(result.names_)) {
      return fail(Blame::kInput, "kallsyms: cut short at name {}", i);
    }
    const std::size_t size = result.names_.size() - begin;
    if (size < 2 || size > kMaxNameLength || result.names_.size() > kMaxNames) {
      return fail(Blame::kInput, "kallsyms: name {} has {} characters", i, size);
    }
    Entry entry;
    entry.type = result.names_[begin];
    entry.name = static_cast<std::uint32_t>(begin + 1);
    entry.length = static_cast<std::uint16_t>(size - 1);
    entry.address = address_of(offsets[i], tables.relative_base, absolute_per_cpu);
    result.entries_.push_back(entry);
  }
  const auto by_address = [](const Entry& a, const Entry& b) { return a.address < b.address; };
  if (!std::ranges::is_sorted(result.entries_, by_address)) {
    std::ranges::stable_sort(result.entries_, by_address);
  }
  result.index_ = NameIndex(tables.count);
  for (std::uint32_t i = 0; i < tables.count; ++i) result.index_.insert(result.at(i).name, i);
  result.per_cpu_begin_ = raw(result.address("__per_cpu_start").value_or(VirtAddr{}));
  result.per_cpu_end_ = raw(result.address("__per_cpu_end").value_or(VirtAddr{}));
  RIG_TRY(result.check(info));
  return result;
}

// A table that decodes is not yet a table that is right: known addresses must come out.
Status Kallsyms::check(const Vmcoreinfo& info) const {
  for (const std::string_view name : {"_stext", "swapper_pg_dir", "init_uts_ns"}) {
    const auto expected = info.symbol(name);
    const auto found = address(name);
    if (!expected || !found) continue;
    if (*found != *expected) {
      return fail(Blame::kInput, "kallsyms: {} decodes to {}, VMCOREINFO says {}", name, *found,
                  *expected);
    }
    return {};
  }
  return fail(Blame::kInput, "kallsyms: none of the symbols that VMCOREINFO names are in it");
}

Symbol Kallsyms::at(std::size_t index) const {
  const Entry& entry = entries_[index];
  return {VirtAddr{entry.address}, std::string_view(names_).substr(entry.name, entry.length),
          entry.type};
}

std::optional<VirtAddr> Kallsyms::address(std::string_view name) const {
  std::optional<VirtAddr> found;
  index_.any(name, [&](std::uint32_t number) {
    const Symbol symbol = at(number);
    if (symbol.name != name) return false;
    found = symbol.address;
    return true;
  });
  return found;
}

std::optional<std::size_t> Kallsyms::last_at_or_before(std::uint64_t address) const {
  auto after = std::ranges::upper_bound(entries_, address, {}, &Entry::address);
  if (after == entries_.begin()) return std::nullopt;
  const auto same = std::prev(after)->address;
  const auto first = std::ranges::lower_bound(entries_.begin(), after, same, {}, &Entry::address);
  return static_cast<std::size_t>(first - entries_.begin());
}

std::optional<Symbol> Kallsyms::nearest(VirtAddr address) const {
  const auto index = last_at_or_before(raw(address));
  if (!index || entries_[*index].address < kMaxPerCpuArea) return std::nullopt;
  return at(*index);
}

std::optional<Symbol> Kallsyms::nearest_per_cpu(VirtAddr address) const {
  if (raw(address) < per_cpu_begin_ || raw(address) >= per_cpu_end_) return std::nullopt;
  const auto index = last_at_or_before(raw(address));
  if (!index) return std::nullopt;
  return at(*index);
}

}  // namespace rig::analyzer
