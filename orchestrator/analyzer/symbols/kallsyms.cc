// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/kallsyms.h"

#include <algorithm>

namespace rig::analyzer {
namespace {

constexpr std::uint32_t kMaxSymbols = 1'000'000;
constexpr std::uint32_t kMaxAliases = 256;  // symbols at one address that are compared
// No static per-CPU area is larger; no kernel address is smaller.
constexpr std::uint64_t kMaxPerCpuArea = 64 << 20;

// Where the kernel says that its tables are.
struct Tables {
  KallsymsNames::Tables names;
  VirtAddr offsets;
  std::uint64_t relative_base = 0;
};

Result<Tables> locate(const VirtMemory& memory, const Vmcoreinfo& info) {
  std::string missing;
  const auto find = [&](std::string_view name) {
    const auto found = info.symbol(name);
    if (!found && missing.empty()) missing = name;
    return found.value_or(VirtAddr{});
  };
  Tables tables{
      {find("kallsyms_names"), find("kallsyms_token_table"), find("kallsyms_token_index")},
      find("kallsyms_offsets")};
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
  tables.names.count = *symbols;
  tables.relative_base = *relative_base;
  return tables;
}

}  // namespace

Result<Kallsyms> Kallsyms::read(const VirtMemory& memory, const Vmcoreinfo& info) {
  RIG_ASSIGN(const Tables tables, locate(memory, info));
  RIG_ASSIGN(KallsymsNames names, KallsymsNames::open(memory, tables.names));
  Kallsyms result(std::move(names));
  result.memory_ = &memory;
  result.offsets_ = tables.offsets;
  result.relative_base_ = tables.relative_base;
  result.count_ = tables.names.count;
  result.absolute_per_cpu_ = result.is_absolute_per_cpu();
  RIG_TRY(result.check(info));
  return result;
}

// CONFIG_KALLSYMS_ABSOLUTE_PERCPU (x86_64 with SMP, until v6.15): an offset that is not negative is
// absolute, the others count down from the base. Without it all are unsigned and from the base.
// Nothing says which it is, but only the first kind has negative offsets in plenty. A few tell.
bool Kallsyms::is_absolute_per_cpu() const {
  constexpr std::uint64_t kSamples = 31;
  unsigned negative = 0;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const auto number = (2 * i + 1) * count_ / (2 * kSamples);
    const auto offset = memory_->load<std::int32_t>(offsets_ + number * sizeof(std::int32_t));
    negative += offset && *offset < 0 ? 1 : 0;
  }
  return negative > kSamples / 2;
}

// A table that decodes is not yet a table that is right: a known address must have its name.
Status Kallsyms::check(const Vmcoreinfo& info) const {
  for (const std::string_view name : {"_stext", "swapper_pg_dir", "init_uts_ns"}) {
    if (const auto expected = info.symbol(name)) return check(name, *expected);
  }
  return fail(Blame::kInput, "kallsyms: VMCOREINFO names no symbol to compare them with");
}

Status Kallsyms::check(std::string_view name, VirtAddr expected) const {
  const auto first = last_at_or_before(raw(expected));
  if (!first)
    return fail(Blame::kInput, "kallsyms: nothing is at {}, where VMCOREINFO says {} is", expected,
                name);
  std::string instead;
  const auto end = std::min(count_, *first + kMaxAliases);
  for (auto number = *first; number < end && address_at(number) == raw(expected); ++number) {
    const auto symbol = at(number);
    if (!symbol) {
      return fail(Blame::kInput, "kallsyms: cut short at name {}, which should be {}", number,
                  name);
    }
    if (symbol->name == name) return {};
    if (instead.empty()) instead = symbol->name;
  }
  if (instead.empty()) instead = "no symbol";
  return fail(Blame::kInput, "kallsyms: {} is at {}, VMCOREINFO says that {} is", instead, expected,
              name);
}

std::optional<std::uint64_t> Kallsyms::address_at(std::uint32_t number) const {
  const auto offset =
      memory_->load<std::int32_t>(offsets_ + std::uint64_t{number} * sizeof(std::int32_t));
  if (!offset) return std::nullopt;
  if (!absolute_per_cpu_) return relative_base_ + static_cast<std::uint32_t>(*offset);
  if (*offset >= 0) return static_cast<std::uint32_t>(*offset);
  return relative_base_ - 1 - static_cast<std::uint64_t>(std::int64_t{*offset});
}

// The first symbol whose address is not `before`; size() when all are. Nothing when an address on
// the way there is not in the core.
template <typename Before>
std::optional<std::uint32_t> Kallsyms::first_not(Before before) const {
  std::uint32_t low = 0;
  for (std::uint32_t high = count_; low < high;) {
    const auto middle = low + (high - low) / 2;
    const auto address = address_at(middle);
    if (!address) return std::nullopt;
    if (before(*address)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::optional<std::uint32_t> Kallsyms::last_at_or_before(std::uint64_t address) const {
  const auto after = first_not([&](std::uint64_t each) { return each <= address; });
  if (!after || *after == 0) return std::nullopt;
  const auto same = address_at(*after - 1);
  if (!same || *same > address) return std::nullopt;
  const auto first = first_not([&](std::uint64_t each) { return each < *same; });
  // A table that is not in order has no answer for this address.
  return first && address_at(*first) == same ? first : std::nullopt;
}

std::optional<Symbol> Kallsyms::at(std::uint32_t number) const {
  const auto address = number < count_ ? address_at(number) : std::nullopt;
  const auto text = names_.at(number);
  if (!address || !text) return std::nullopt;
  return Symbol{VirtAddr{*address}, text->substr(1), (*text)[0]};
}

std::optional<VirtAddr> Kallsyms::address(std::string_view name) const {
  const auto number = names_.find(name);
  const auto address = number ? address_at(*number) : std::nullopt;
  return address ? std::optional(VirtAddr{*address}) : std::nullopt;
}

bool Kallsyms::has(VirtAddr address, std::string_view name) const {
  return check(name, address).has_value();
}

std::optional<Symbol> Kallsyms::nearest(VirtAddr address) const {
  if (raw(address) < kMaxPerCpuArea) return std::nullopt;
  const auto number = last_at_or_before(raw(address));
  const auto symbol = number ? at(*number) : std::nullopt;
  return symbol && raw(symbol->address) >= kMaxPerCpuArea ? symbol : std::nullopt;
}

std::optional<VirtAddr> Kallsyms::next_after(VirtAddr address) const {
  const auto after = first_not([&](std::uint64_t each) { return each <= raw(address); });
  const auto found = after && *after < count_ ? address_at(*after) : std::nullopt;
  return found ? std::optional(VirtAddr{*found}) : std::nullopt;
}

std::optional<Symbol> Kallsyms::nearest_per_cpu(VirtAddr address) const {
  // 0 on x86_64 until 9d7de2aa8b41 (v6.15).
  const auto begin = this->address("__per_cpu_start");
  const auto end = this->address("__per_cpu_end");
  if (!begin || !end || address < *begin || address >= *end) return std::nullopt;
  const auto number = last_at_or_before(raw(address));
  return number ? at(*number) : std::nullopt;
}

}  // namespace rig::analyzer
