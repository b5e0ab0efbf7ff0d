// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/log.h"

#include <algorithm>
#include <vector>

namespace rig::analyzer {
namespace {

constexpr unsigned kMaxCountBits = 19;         // of descriptors: half a million
constexpr unsigned kMaxSizeBits = 28;          // of text: 256 MiB
constexpr std::uint64_t kMaxRecordSize = 512;  // a descriptor and its info; 6.1: 112 bytes
constexpr std::uint64_t kEntriesAtOnce = 512;
// What the text may cost beyond the ring's bytes: a time for each record, and for each line of a
// record, which are rarely shorter than this.
constexpr std::uint64_t kPrefix = 32;
constexpr std::uint64_t kShortLine = 16;
constexpr std::uint64_t kMaxLog = 256 << 20;

// A descriptor's state is in the two upper bits of state_var, its id in the rest.
constexpr unsigned kStateShift = 62;
constexpr std::uint64_t kIdMask = (1ull << kStateShift) - 1;
enum State : std::uint64_t { kReserved = 0, kCommitted = 1, kFinalized = 2, kReusable = 3 };

// Offsets that VMCOREINFO gives; the first that it does not give is remembered.
class Layout {
 public:
  explicit Layout(const Vmcoreinfo& info) : info_(info) {}

  std::uint64_t offset(std::string_view member) { return note(info_.offset(member), member); }
  std::uint64_t size(std::string_view type) { return note(info_.size(type), type); }
  const std::string& missing() const { return missing_; }

 private:
  std::uint64_t note(std::optional<std::uint64_t> value, std::string_view name) {
    if (!value && missing_.empty()) missing_ = name;
    return value.value_or(0);
  }

  const Vmcoreinfo& info_;
  std::string missing_;
};

struct Ring {
  std::uint64_t count = 0;  // of descriptors, a power of two
  std::uint64_t size = 0;   // of the text, a power of two
  std::uint64_t head = 0, tail = 0;
  VirtAddr descs{}, infos{}, text{};
  std::uint64_t desc_size = 0, info_size = 0;
  std::uint64_t state = 0, begin = 0, next = 0;  // in a descriptor
  std::uint64_t time = 0, length = 0;            // in an info
  std::optional<std::uint64_t> facility;         // as well, where it is known to be

  std::uint64_t text_limit() const {
    return std::min(kMaxLog, size + kPrefix * (count + size / kShortLine));
  }
};

// One of the ring's two arrays, a piece at a time: what it costs does not depend on what a core
// says of its size. Made for indices that go up, wrapping at `count`.
class Entries {
 public:
  Entries(const VirtMemory& memory, VirtAddr at, std::uint64_t entry_size, std::uint64_t count)
      : memory_(memory), at_(at), entry_size_(entry_size), count_(count) {}

  ByteView at(std::uint64_t index) {
    if (index < first_ || index - first_ >= held_) refill(index);
    return ByteView(bytes_).subspan((index - first_) * entry_size_, entry_size_);
  }
  std::uint64_t missing() const { return missing_; }

 private:
  void refill(std::uint64_t index) {
    first_ = index;
    held_ = std::min(kEntriesAtOnce, count_ - index);
    bytes_.resize(held_ * entry_size_);
    missing_ += memory_.read_with_holes(at_ + first_ * entry_size_, bytes_);
  }

  const VirtMemory& memory_;
  VirtAddr at_;
  std::uint64_t entry_size_;
  std::uint64_t count_;
  std::uint64_t first_ = 0, held_ = 0;
  std::vector<std::byte> bytes_;
  std::uint64_t missing_ = 0;
};

// VMCOREINFO does not tell it, but its neighbours: struct printk_info has had the facility (u8),
// then flags and level (u8), between text_len (u16) and caller_id since there is one
// (896fbe20b4e2).
std::optional<std::uint64_t> facility_offset(const Vmcoreinfo& info) {
  const auto length = info.offset("printk_info.text_len");
  const auto caller = info.offset("printk_info.caller_id");
  if (!length || !caller || *caller != *length + 4) return std::nullopt;
  return *length + 2;
}

Result<Ring> read_ring(const VirtMemory& memory, const Vmcoreinfo& info,
                       std::uint64_t memory_bytes) {
  const auto prb = info.symbol("prb");
  if (!prb) {
    return fail(Blame::kInput, "VMCOREINFO has no SYMBOL(prb) (kernels before 5.10 are not read)");
  }
  Layout layout(info);
  const auto desc_ring = layout.offset("printk_ringbuffer.desc_ring");
  const auto text_ring = layout.offset("printk_ringbuffer.text_data_ring");
  const auto count_bits_at = desc_ring + layout.offset("prb_desc_ring.count_bits");
  const auto descs_at = desc_ring + layout.offset("prb_desc_ring.descs");
  const auto infos_at = desc_ring + layout.offset("prb_desc_ring.infos");
  const auto counter = layout.offset("atomic_long_t.counter");
  const auto head_at = desc_ring + layout.offset("prb_desc_ring.head_id") + counter;
  const auto tail_at = desc_ring + layout.offset("prb_desc_ring.tail_id") + counter;
  const auto size_bits_at = text_ring + layout.offset("prb_data_ring.size_bits");
  const auto data_at = text_ring + layout.offset("prb_data_ring.data");
  const auto block = layout.offset("prb_desc.text_blk_lpos");
  Ring ring;
  ring.desc_size = layout.size("prb_desc");
  ring.info_size = layout.size("printk_info");
  ring.state = layout.offset("prb_desc.state_var") + counter;
  ring.begin = block + layout.offset("prb_data_blk_lpos.begin");
  ring.next = block + layout.offset("prb_data_blk_lpos.next");
  ring.time = layout.offset("printk_info.ts_nsec");
  ring.length = layout.offset("printk_info.text_len");
  ring.facility = facility_offset(info);
  if (!layout.missing().empty()) {
    return fail(Blame::kInput, "VMCOREINFO does not describe the log's {}", layout.missing());
  }

  const auto pointer = memory.load<std::uint64_t>(*prb);
  if (!pointer) {
    return fail(Blame::kInput, "the log's head at {} is not in the core ({})", *prb,
                to_string(pointer.error().why));
  }
  const VirtAddr at{*pointer};
  const auto count_bits = memory.load<std::uint32_t>(at + count_bits_at);
  const auto size_bits = memory.load<std::uint32_t>(at + size_bits_at);
  const auto descs = memory.load<std::uint64_t>(at + descs_at);
  const auto infos = memory.load<std::uint64_t>(at + infos_at);
  const auto data = memory.load<std::uint64_t>(at + data_at);
  const auto head = memory.load<std::uint64_t>(at + head_at);
  const auto tail = memory.load<std::uint64_t>(at + tail_at);
  if (!count_bits || !size_bits || !descs || !infos || !data || !head || !tail) {
    return fail(Blame::kInput, "the log's head at {} is not whole in the core", at);
  }
  const bool plausible = *count_bits <= kMaxCountBits && *size_bits <= kMaxSizeBits &&
                         ring.desc_size <= kMaxRecordSize && ring.info_size <= kMaxRecordSize &&
                         (ring.desc_size + ring.info_size) << *count_bits <= memory_bytes &&
                         1ull << *size_bits <= memory_bytes;
  if (!plausible) {
    return fail(Blame::kInput, "the log's sizes cannot be right (2^{} records, 2^{} bytes)",
                *count_bits, *size_bits);
  }
  ring.count = 1ull << *count_bits;
  ring.size = 1ull << *size_bits;
  ring.head = *head & kIdMask;
  ring.tail = *tail & kIdMask;
  ring.descs = VirtAddr{*descs};
  ring.infos = VirtAddr{*infos};
  ring.text = VirtAddr{*data};
  return ring;
}

struct Block {
  std::uint64_t start = 0;  // in the text's buffer
  std::uint64_t size = 0;   // with the id of 8 bytes that it begins with
};

// Where a record lies, from two ever-growing logical positions; nothing when they are broken.
std::optional<Block> find_block(const Ring& ring, std::uint64_t begin, std::uint64_t next) {
  std::uint64_t start = begin & (ring.size - 1);
  std::uint64_t to = next & (ring.size - 1);
  if (begin / ring.size != next / ring.size) {
    if ((begin + ring.size) / ring.size != next / ring.size) return std::nullopt;
    // A block that does not fit before the end is stored as a whole at the start. Newer kernels
    // let one end exactly at the end, older never do: that needs `to` == 0.
    if (to == 0) {
      to = ring.size;
    } else {
      start = 0;
    }
  }
  if (to <= start || to - start < sizeof(std::uint64_t)) return std::nullopt;
  return Block{start, to - start};
}

// The text of record `id` in `text`; false when there is none that makes sense.
bool read_text(const VirtMemory& memory, const Ring& ring, ByteView desc, std::uint64_t id,
               std::uint16_t length, std::string& text, std::uint64_t& missing) {
  const auto begin = load<std::uint64_t>(desc, ring.begin);
  const auto next = load<std::uint64_t>(desc, ring.next);
  if (!begin || !next) return false;
  text.clear();
  if ((*begin & 1) != 0 && (*next & 1) != 0) return true;  // NO_LPOS, FAILED_LPOS: without text
  const auto block = find_block(ring, *begin, *next);
  if (!block) return false;
  const VirtAddr at = ring.text + block->start;
  const auto owner = memory.load<std::uint64_t>(at);
  if (!owner) missing += block->size;
  if (!owner || *owner != id) return false;
  text.resize(std::min<std::uint64_t>(length, block->size - sizeof(std::uint64_t)));
  missing +=
      memory.read_with_holes(at + sizeof(std::uint64_t), std::as_writable_bytes(std::span(text)));
  return true;
}

// Whether the kernel shows the caller's id too depends on a configuration that the core does not
// tell; dmesg, which does not know either, leaves it out.
void append_record(std::string& out, std::uint64_t nanoseconds, std::string_view text) {
  const auto prefix =
      fmt::format("[{:5}.{:06}] ", nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000 / 1000);
  for (;;) {
    const auto end = text.find('\n');
    out += prefix;
    out += text.substr(0, end);
    out += '\n';
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::string kernels_text(const KernelLog& log) {
  std::string text;
  text.reserve(log.text.size());
  std::size_t at = 0;
  for (const LogLines& lines : log.by_programs) {
    text.append(log.text, at, lines.begin - at);
    const auto first = log.text.begin() + static_cast<std::ptrdiff_t>(lines.begin);
    const auto last = log.text.begin() + static_cast<std::ptrdiff_t>(lines.end);
    text.append(static_cast<std::size_t>(std::count(first, last, '\n')), '\n');
    at = lines.end;
  }
  return text.append(log.text, at);
}

Result<KernelLog> read_log(const VirtMemory& memory, const Vmcoreinfo& info,
                           std::uint64_t memory_bytes) {
  RIG_ASSIGN(const Ring ring, read_ring(memory, info, memory_bytes));
  Entries descs(memory, ring.descs, ring.desc_size, ring.count);
  Entries infos(memory, ring.infos, ring.info_size, ring.count);
  KernelLog log;
  std::uint64_t missing_text = 0;
  std::uint64_t taken = 0;  // of the ring's text: blocks of honest records do not overlap
  std::string text;
  const std::uint64_t span = std::min((ring.head - ring.tail) & kIdMask, ring.count - 1);
  for (std::uint64_t i = 0; i <= span; ++i) {
    const std::uint64_t id = (ring.tail + i) & kIdMask;
    const ByteView desc = descs.at(id % ring.count);
    const auto state = load<std::uint64_t>(desc, ring.state).value_or(0);
    // Slots that were never used, or were given back, hold another id or say so: no record.
    if ((state & kIdMask) != id || state >> kStateShift == kReusable) continue;
    if (state >> kStateShift == kReserved) {
      ++log.unfinished;
      continue;
    }
    const ByteView facts = infos.at(id % ring.count);
    const auto time = load<std::uint64_t>(facts, ring.time);
    const auto length = load<std::uint16_t>(facts, ring.length);
    if (!time || !length || !read_text(memory, ring, desc, id, *length, text, missing_text)) {
      ++log.broken;
      continue;
    }
    taken += text.size();
    if (taken > ring.size || log.text.size() > ring.text_limit()) {
      log.overfull = true;
      break;
    }
    ++log.records;
    const std::size_t begin = log.text.size();
    append_record(log.text, *time, text);
    const auto facility = ring.facility ? load<std::uint8_t>(facts, *ring.facility) : std::nullopt;
    if (facility.value_or(0) != 0) log.by_programs.push_back({begin, log.text.size()});
  }
  log.missing = descs.missing() + infos.missing() + missing_text;
  if (log.records == 0 && log.missing != 0) {
    return fail(Blame::kInput, "the log's buffer at {} is not in the core", ring.text);
  }
  return log;
}

}  // namespace rig::analyzer
