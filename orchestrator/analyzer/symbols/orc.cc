// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/orc.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxOrcEntries = 1 << 24;
constexpr std::uint64_t kMaxEntrySize = 64;
// The widest registers and types that the format has: 4 and 3 bits.
constexpr std::uint64_t kMaxRegister = 9;

bool small_enough(const Member& member, std::uint64_t size) {
  return member.size != 0 && member.size <= 8 && member.offset + member.size <= size;
}

// The numbers of `type` with and without the member `end`.
OrcEntry::Type type_of(std::uint64_t number, const std::optional<std::uint64_t>& end) {
  using Type = OrcEntry::Type;
  constexpr Type kOld[] = {Type::kCall, Type::kRegs, Type::kRegsPartial};
  constexpr Type kNew[] = {Type::kUndefined, Type::kEnd, Type::kCall, Type::kRegs,
                           Type::kRegsPartial};
  if (end) {
    if (*end != 0) return Type::kEnd;
    return number < std::size(kOld) ? kOld[number] : Type::kUndefined;
  }
  return number < std::size(kNew) ? kNew[number] : Type::kUndefined;
}

OrcEntry::Register register_of(std::uint64_t number) {
  return number <= kMaxRegister ? static_cast<OrcEntry::Register>(number)
                                : OrcEntry::Register::kUndefined;
}

}  // namespace

std::optional<OrcLayout> OrcLayout::probe(const Btf& types) {
  const auto size = types.size_of("orc_entry");
  const auto sp_offset = types.member("orc_entry.sp_offset");
  const auto bp_offset = types.member("orc_entry.bp_offset");
  const auto sp_reg = types.member("orc_entry.sp_reg");
  const auto bp_reg = types.member("orc_entry.bp_reg");
  const auto type = types.member("orc_entry.type");
  if (!size || *size > kMaxEntrySize || !sp_offset || !bp_offset || !sp_reg || !bp_reg || !type) {
    return std::nullopt;
  }
  OrcLayout layout;
  layout.size_ = *size;
  layout.sp_offset_ = *sp_offset;
  layout.bp_offset_ = *bp_offset;
  layout.sp_reg_ = *sp_reg;
  layout.bp_reg_ = *bp_reg;
  layout.type_ = *type;
  layout.signal_ = types.member("orc_entry.signal");
  layout.end_ = types.member("orc_entry.end");
  for (const Member* each :
       {&layout.sp_offset_, &layout.bp_offset_, &layout.sp_reg_, &layout.bp_reg_, &layout.type_}) {
    if (!small_enough(*each, *size)) return std::nullopt;
  }
  return layout;
}

std::optional<OrcEntry> OrcLayout::decode(ByteView bytes) const {
  const auto sp_offset = extract(sp_offset_, bytes);
  const auto bp_offset = extract(bp_offset_, bytes);
  const auto sp_reg = extract(sp_reg_, bytes);
  const auto bp_reg = extract(bp_reg_, bytes);
  const auto type = extract(type_, bytes);
  if (!sp_offset || !bp_offset || !sp_reg || !bp_reg || !type) return std::nullopt;
  const auto end = end_ ? extract(*end_, bytes) : std::nullopt;
  const auto signal = signal_ ? extract(*signal_, bytes) : std::nullopt;
  OrcEntry entry;
  entry.type = type_of(*type, end);
  entry.sp_base = register_of(*sp_reg);
  entry.bp_base = register_of(*bp_reg);
  entry.sp_offset = static_cast<std::int16_t>(*sp_offset);
  entry.bp_offset = static_cast<std::int16_t>(*bp_offset);
  // Before there was a member for it, saved registers were always those of an interruption.
  entry.signal =
      signal ? *signal != 0
             : entry.type == OrcEntry::Type::kRegs || entry.type == OrcEntry::Type::kRegsPartial;
  // Gaps between functions have an entry that says nothing.
  if (entry.type == OrcEntry::Type::kCall && entry.sp_base == OrcEntry::Register::kUndefined) {
    entry.type = OrcEntry::Type::kUndefined;
  }
  return entry;
}

std::optional<Orc> Orc::open(const VirtMemory& memory, const Btf& types, OrcTable image) {
  const auto layout = OrcLayout::probe(types);
  if (!layout) return std::nullopt;
  Orc orc(memory, *layout);
  orc.image_ = image;
  const auto count = types.member("module.arch.num_orcs");
  const auto distances = types.member("module.arch.orc_unwind_ip");
  const auto entries = types.member("module.arch.orc_unwind");
  if (count && distances && entries) {
    orc.module_ = ModuleTable{count->offset, distances->offset, entries->offset};
  }
  return orc;
}

std::optional<OrcEntry> Orc::find(const Module& module, VirtAddr address) const {
  if (!module_) return std::nullopt;
  const auto count = memory_->load<std::uint32_t>(module.at + module_->count);
  const auto distances = memory_->load<std::uint64_t>(module.at + module_->distances);
  const auto entries = memory_->load<std::uint64_t>(module.at + module_->entries);
  if (!count || !distances || !entries) return std::nullopt;
  return find({VirtAddr{*distances}, VirtAddr{*entries}, *count}, address);
}

std::optional<OrcEntry> Orc::find(const OrcTable& table, VirtAddr address) const {
  if (table.count == 0 || table.count > kMaxOrcEntries) return std::nullopt;
  const auto begin_of = [&](std::uint64_t index) -> std::optional<std::uint64_t> {
    const VirtAddr place = table.distances + index * sizeof(std::int32_t);
    const auto distance = memory_->load<std::int32_t>(place);
    if (!distance) return std::nullopt;
    return raw(place) + static_cast<std::uint64_t>(std::int64_t{*distance});
  };
  // The last entry that begins at or before `address`. In a table that is not sorted that is some
  // entry, found in as few steps.
  std::uint64_t low = 0, high = table.count;
  while (low < high) {
    const auto middle = low + (high - low) / 2;
    const auto begin = begin_of(middle);
    if (!begin) return std::nullopt;
    if (*begin <= raw(address)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return std::nullopt;
  std::vector<std::byte> bytes(layout_.size());
  if (!memory_->read(table.entries + (low - 1) * layout_.size(), bytes)) return std::nullopt;
  return layout_.decode(bytes);
}

}  // namespace rig::analyzer
