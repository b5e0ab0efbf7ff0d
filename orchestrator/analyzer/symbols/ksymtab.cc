// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/ksymtab.h"

#include <algorithm>

#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kEntry = 12;
constexpr std::uint64_t kMaxExportName = 512;
constexpr std::uint64_t kFewest = 16;    // entries of a table; a real one has thousands
constexpr std::uint64_t kCompared = 64;  // functions of a table that kallsyms is asked for
constexpr std::uint64_t kFewestAgreeing = 8;

bool is_identifier(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// The identifier at `offset`. Most of what is asked for is none: the first character tells.
std::optional<std::string_view> identifier_at(ByteView bytes, std::uint64_t offset) {
  if (!is_identifier(as_text(bytes.subspan(offset, 1)))) return std::nullopt;
  const auto room = bytes.first(std::min<std::uint64_t>(bytes.size(), offset + kMaxExportName));
  const auto text = load_c_string(room, offset);
  return text && is_identifier(*text) ? text : std::nullopt;
}

}  // namespace

std::optional<Ksymtab::Entry> Ksymtab::entry(std::uint64_t offset) const {
  const auto value = load<std::int32_t>(constants_, offset);
  const auto name = load<std::int32_t>(constants_, offset + 4);
  const auto space = load<std::int32_t>(constants_, offset + 8);
  if (!value || !name || !space || *value == 0) return std::nullopt;
  const auto text_at = offset + 4 + static_cast<std::uint64_t>(std::int64_t{*name});
  const auto space_at = offset + 8 + static_cast<std::uint64_t>(std::int64_t{*space});
  if (text_at >= constants_.size() || space_at >= constants_.size()) return std::nullopt;
  if (static_cast<std::uint64_t>(std::abs(std::int64_t{*value})) > kMaxImage) return std::nullopt;
  // The linker may keep a name as the end of a longer one.
  if (constants_[space_at] != std::byte{0} && !identifier_at(constants_, space_at)) return {};
  const auto text = identifier_at(constants_, text_at);
  if (!text) return std::nullopt;
  return Entry{begin_ + offset + static_cast<std::uint64_t>(std::int64_t{*value}), *text};
}

std::optional<Ksymtab> Ksymtab::find(ByteView constants, VirtAddr begin, const Kallsyms& symbols) {
  Ksymtab found(constants, begin);
  // A table that is refused is looked for again from its second entry on: what leads there may be
  // none of it. In honest memory that happens to short ones only.
  std::uint64_t left = constants.size() + kFewest;
  for (std::uint64_t at = 0; at + kEntry <= constants.size();) {
    auto each = found.entry(at);
    Table table{at, 0};
    // Names ascend within a table; __ksymtab_gpl begins where __ksymtab ends.
    for (std::string_view last; each && (last.empty() || each->name > last);) {
      last = each->name;
      ++table.count;
      each = found.entry(at + table.count * kEntry);
    }
    if (table.count >= kFewest && found.agrees(table, symbols)) {
      found.tables_.push_back(table);
      at += table.count * kEntry;
    } else if (table.count <= left) {
      left -= table.count;
      at += 4;
    } else {
      break;
    }
  }
  if (found.tables_.empty()) return std::nullopt;
  return found;
}

// Whether its functions are where kallsyms has them: all that are compared, and enough of them.
// Some may be in sections that kallsyms does not cover.
bool Ksymtab::agrees(const Table& table, const Kallsyms& symbols) const {
  const auto step = std::max<std::uint64_t>(1, table.count / kCompared);
  unsigned agreeing = 0;
  for (std::uint64_t i = 0; i < table.count; i += step) {
    const auto each = entry(table.offset + i * kEntry);
    const auto known = each ? symbols.address(each->name) : std::nullopt;
    if (!known) continue;
    if (*known != each->value && !symbols.has(each->value, each->name)) return false;
    ++agreeing;
  }
  return agreeing >= kFewestAgreeing;
}

std::size_t Ksymtab::size() const {
  std::size_t all = 0;
  for (const Table& table : tables_) all += table.count;
  return all;
}

std::optional<VirtAddr> Ksymtab::address(std::string_view name) const {
  for (const Table& table : tables_) {
    std::uint64_t low = 0;
    for (std::uint64_t high = table.count; low < high;) {
      const auto middle = low + (high - low) / 2;
      const auto each = entry(table.offset + middle * kEntry);
      if (!each) break;
      if (each->name == name) return each->value;
      if (each->name < name) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
  }
  return std::nullopt;
}

}  // namespace rig::analyzer
