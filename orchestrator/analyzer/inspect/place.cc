// SPDX-License-Identifier: Apache-2.0
#include "analyzer/inspect/place.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kHexAddress = 16;
constexpr unsigned kMaxCpu = 8192;

bool all_of(std::string_view text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

// NAME or NAME:CPU.
Result<VirtAddr> named_place(const Kernel& kernel, std::string_view text) {
  const auto colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  if (colon != std::string_view::npos) {
    const auto cpu = parse_u64(text.substr(colon + 1));
    if (!cpu || *cpu >= kMaxCpu) {
      return fail(Blame::kInput, "'{}' is no CPU's number", text.substr(colon + 1));
    }
    if (const auto found = kernel.per_cpu(static_cast<unsigned>(*cpu), name)) return *found;
    if (kernel.symbol(name)) return fail(Blame::kInput, "'{}': there is no CPU {}", text, *cpu);
  } else if (const auto found = symbol_address(kernel, name)) {
    return *found;
  }
  return fail_hint(Blame::kInput, "addresses are hexadecimal with 0x, or the name of a symbol",
                   "no symbol '{}'{}", name, near_symbols(kernel, name));
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) return parse_u64(text);
  const bool decimal = all_of(text, "0123456789");
  if (decimal && text.size() < kHexAddress) return parse_u64(text);
  if (text.size() > kHexAddress || !all_of(text, "0123456789abcdefABCDEF")) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc{} ? std::optional(value) : std::nullopt;
}

Result<VirtAddr> parse_place(const Kernel& kernel, std::string_view text) {
  // A name of hexadecimal digits only ("add") is first of all a name.
  const bool word = !text.empty() && all_of(text, "abcdefABCDEF");
  if (word) {
    if (const auto found = symbol_address(kernel, text)) return *found;
  }
  if (const auto number = parse_number(text)) return VirtAddr{*number};
  const auto sign = text.find_last_of("+-");
  if (sign == std::string_view::npos || sign == 0) return named_place(kernel, text);
  const auto offset = parse_number(text.substr(sign + 1));
  if (!offset) return fail(Blame::kInput, "'{}' is no offset", text.substr(sign + 1));
  RIG_ASSIGN(const VirtAddr base, parse_place(kernel, text.substr(0, sign)));
  return text[sign] == '+' ? base + *offset : base - *offset;
}

std::string near_symbols(const Kernel& kernel, std::string_view name) {
  // Edit distance to all would take longer than anything else: those of about the same length.
  std::vector<std::string> candidates;
  const auto consider = [&](std::string_view symbol) {
    const auto longer = std::max(symbol.size(), name.size());
    const auto shorter = std::min(symbol.size(), name.size());
    if (shorter == 0 || longer - shorter > 3 || symbol[0] != name[0]) return;
    candidates.emplace_back(symbol);
  };
  const auto& symbols = kernel.symbols();
  for (std::uint32_t i = 0; symbols && i < symbols->size(); ++i) {
    if (const auto each = symbols->at(i)) consider(each->name);
  }
  if (kernel.modules()) {
    for (const Module& module : kernel.modules()->all()) {
      for (const ModuleSymbol& each : kernel.modules()->symbols(module)) consider(each.name);
    }
  }
  const auto found = nearest(name, candidates);
  return found ? fmt::format(", did you mean '{}'?", *found) : std::string();
}

std::optional<std::string> symbol_text(const Kernel& kernel, VirtAddr address) {
  std::optional<std::string> text;
  if (const auto code = kernel.code(address)) {
    if (!code->function.empty()) text = to_string(*code);
  } else {
    text = kernel.data(address);
  }
  // Data that only lies somewhere behind a symbol says nothing.
  if (!text || text->starts_with("without") || text->starts_with('[')) return std::nullopt;
  const auto start = text->find("+0x0");
  const bool exact =
      start != std::string::npos && (start + 4 == text->size() || (*text)[start + 4] == ' ');
  if (exact) text->erase(start, 4);
  return text;
}

}  // namespace rig::analyzer
