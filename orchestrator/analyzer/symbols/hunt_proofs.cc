// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/hunt_proofs.h"

#include <algorithm>
#include <array>

#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {

constexpr unsigned kMaxCaches = 16'384;
constexpr unsigned kFewestCaches = 8;
constexpr std::uint16_t kBtfMagic = 0xeb9f;
constexpr std::uint64_t kMaxTaint = 1 << 20;  // TAINT_FLAGS_COUNT is 19 (6.1)
constexpr std::uint64_t kMaxText = 4096;
constexpr unsigned kMaxSwapAreas = 22;  // the least that MAX_SWAPFILES is
constexpr std::uint64_t kMaxCacheSize = 16 << 20;
constexpr std::uint64_t kEarliest = 946'684'800;  // 2000-01-01
constexpr std::uint64_t kLatest = 4'102'444'800;  // 2100-01-01
constexpr std::uint32_t kMaxFrames = 256;         // of a stack in the depot
constexpr std::uint64_t kTimekeeperInCore = 8;    // a seqcount_raw_spinlock_t before it

bool is_printable(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7f; });
}

std::optional<std::uint64_t> word(const Hunt::Context& context, VirtAddr at) {
  const auto value = context.memory.load<std::uint64_t>(at);
  return value ? std::optional(*value) : std::nullopt;
}

// Whether a list_head is at `head`, closed in both directions, with elements that `right` accepts.
// Returns how many there are, 0 when something is wrong.
template <typename Right>
unsigned count_list(const Hunt::Context& context, VirtAddr head, std::uint64_t link, unsigned most,
                    Right right) {
  VirtAddr last = head;
  auto next = word(context, head);
  for (unsigned count = 0; next && count <= most; ++count) {
    const VirtAddr here{*next};
    if (word(context, here + 8) != raw(last)) return 0;
    if (here == head) return count;
    if (!right(VirtAddr{raw(here) - link})) return 0;
    last = here;
    next = word(context, here);
  }
  return 0;
}

}  // namespace

bool is_module_list(const Hunt::Context& context, VirtAddr at) {
  const auto link = context.types.member("module.list");
  const auto name = context.types.member("module.name");
  const auto self = context.types.member("module.mkobj.mod");
  if (!link || !name || !self) return false;
  return count_list(context, at, link->offset, kMaxModules, [&](VirtAddr module) {
           return word(context, module + self->offset) == raw(module) &&
                  is_printable(context.memory.c_string(module + name->offset, name->size));
         }) > 0;
}

bool is_slab_cache_list(const Hunt::Context& context, VirtAddr at) {
  const auto link = context.types.member("kmem_cache.list");
  const auto name = context.types.member("kmem_cache.name");
  const auto size = context.types.member("kmem_cache.size");
  if (!link || !name || !size) return false;
  return count_list(context, at, link->offset, kMaxCaches, [&](VirtAddr cache) {
           const auto text = word(context, cache + name->offset);
           const auto bytes = context.memory.load<std::uint32_t>(cache + size->offset);
           return text && bytes && *bytes > 0 && *bytes <= kMaxCacheSize &&
                  is_printable(context.memory.c_string(VirtAddr{*text}, 128));
         }) >= kFewestCaches;
}

bool is_module_types_list(const Hunt::Context& context, VirtAddr at) {
  const auto link = context.types.member("btf_module.list");
  const auto owner = context.types.member("btf_module.module");
  const auto types = context.types.member("btf_module.btf");
  const auto data = context.types.member("btf.data");
  const auto self = context.types.member("module.mkobj.mod");
  if (!link || !owner || !types || !data || !self) return false;
  return count_list(context, at, link->offset, kMaxModules, [&](VirtAddr each) {
           const auto module = word(context, each + owner->offset);
           const auto btf = word(context, each + types->offset);
           const auto bytes = btf ? word(context, VirtAddr{*btf} + data->offset) : std::nullopt;
           return module && bytes && word(context, VirtAddr{*module} + self->offset) == *module &&
                  context.memory.load<std::uint16_t>(VirtAddr{*bytes}) == kBtfMagic;
         }) > 0;
}

bool is_panic_cpu(const Hunt::Context& context, VirtAddr at) {
  const auto value = context.memory.load<std::int32_t>(at);
  const auto cpus = context.hunt.address("nr_cpu_ids", context.symbols);
  const auto count = cpus ? context.memory.load<std::uint32_t>(*cpus) : Read<std::uint32_t>(0u);
  if (!value || !count) return false;
  return *value == -1 || (*value >= 0 && static_cast<std::uint32_t>(*value) < *count);
}

bool is_tainted_mask(const Hunt::Context& context, VirtAddr at) {
  const auto value = word(context, at);
  return value && *value < kMaxTaint;
}

bool is_text_pointer(const Hunt::Context& context, VirtAddr at) {
  const auto text = word(context, at);
  return text && is_printable(context.memory.c_string(VirtAddr{*text}, kMaxText));
}

bool is_swap_table(const Hunt::Context& context, VirtAddr at) {
  const auto type = context.types.member("swap_info_struct.type");
  if (!type) return false;
  for (unsigned i = 0; i < kMaxSwapAreas; ++i) {
    const auto area = word(context, at + i * sizeof(std::uint64_t));
    if (!area) return false;
    if (*area == 0) return true;
    if (context.memory.load<std::uint8_t>(VirtAddr{*area} + type->offset) != i) return false;
  }
  return true;
}

bool is_timekeeper_core(const Hunt::Context& context, VirtAddr at) {
  const auto seconds = context.types.member("timekeeper.xtime_sec");
  const auto clock = context.types.member("timekeeper.tkr_mono.clock");
  const auto raw_clock = context.types.member("timekeeper.tkr_raw.clock");
  const auto name = context.types.member("clocksource.name");
  if (!seconds || !clock || !raw_clock || !name) return false;
  const VirtAddr keeper = at + kTimekeeperInCore;
  const auto now = word(context, keeper + seconds->offset);
  const auto source = word(context, keeper + clock->offset);
  if (!now || *now < kEarliest || *now > kLatest || !source) return false;
  if (word(context, keeper + raw_clock->offset) != source) return false;
  const auto text = word(context, VirtAddr{*source} + name->offset);
  return text && is_printable(context.memory.c_string(VirtAddr{*text}, 64));
}

bool is_stack_depot(const Hunt::Context& context, VirtAddr at) {
  const auto handle = context.types.member("stack_record.handle");
  const auto size = context.types.member("stack_record.size");
  const auto entries = context.types.member("stack_record.entries");
  const auto offset = context.types.member("handle_parts.offset");
  const auto text = context.symbols.address("_stext");
  const auto pool = word(context, at);
  if (!handle || !size || !entries || !offset || !text || !pool) return false;
  const VirtAddr record{*pool};
  const auto own = context.memory.load<std::array<std::byte, 4>>(record + handle->offset);
  const auto frames = context.memory.load<std::uint32_t>(record + size->offset);
  if (!own || !frames || *frames == 0 || *frames > kMaxFrames) return false;
  if (extract(*offset, *own) != 0u) return false;
  // How pools are numbered, from 0 or since a6c1d9cb9a68 (v6.10) from 1 on, the member's name says.
  unsigned right = 0;
  for (const auto& [member, first] : {std::pair("handle_parts.slabindex", 0u),
                                      {"handle_parts.pool_index", 0u},
                                      {"handle_parts.pool_index_plus_1", 1u}}) {
    const auto index = context.types.member(member);
    if (index && extract(*index, *own) == first) ++right;
  }
  for (std::uint32_t i = 0; right != 0 && i < *frames; ++i) {
    const auto each = word(context, record + entries->offset + i * sizeof(std::uint64_t));
    if (!each || *each - raw(*text) > kMaxImage) return false;
  }
  return right != 0;
}

}  // namespace rig::analyzer
