// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/log.h"

#include <algorithm>
#include <vector>

namespace rig::analyzer {
namespace {

constexpr unsigned kMaxCountBits = 19;         // of descriptors: half a million
constexpr unsigned kMaxSizeBits = 28;          // of text: 256 MiB
constexpr std::uint64_t kMaxRecordSize = 512;  // a descriptor and its info; 6.1: 112 bytes

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
  std::uint64_t head = 0, tail = 0;
  std::vector<std::byte> descs, infos, text;
  std::uint64_t desc_size = 0, info_size = 0;
  std::uint64_t state = 0, begin = 0, next = 0;  // in a descriptor
  std::uint64_t time = 0, length = 0;            // in an info
  std::uint64_t missing = 0;
};

Result<std::vector<std::byte>> read_array(const VirtMemory& memory, std::uint64_t pointer,
                                          std::uint64_t size, std::uint64_t& missing) {
  std::vector<std::byte> bytes(size);
  const auto holes = memory.read_with_holes(VirtAddr{pointer}, bytes);
  if (holes == size) {
    return fail(Blame::kInput, "the log's buffer at {:#x} is not in the core", pointer);
  }
  missing += holes;
  return bytes;
}

Result<Ring> read_ring(const VirtMemory& memory, const Vmcoreinfo& info) {
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
  if (*count_bits > kMaxCountBits || *size_bits > kMaxSizeBits || ring.desc_size > kMaxRecordSize ||
      ring.info_size > kMaxRecordSize) {
    return fail(Blame::kInput, "the log's sizes cannot be right (2^{} records, 2^{} bytes)",
                *count_bits, *size_bits);
  }
  ring.count = 1ull << *count_bits;
  ring.head = *head & kIdMask;
  ring.tail = *tail & kIdMask;
  RIG_ASSIGN(ring.descs, read_array(memory, *descs, ring.count * ring.desc_size, ring.missing));
  RIG_ASSIGN(ring.infos, read_array(memory, *infos, ring.count * ring.info_size, ring.missing));
  RIG_ASSIGN(ring.text, read_array(memory, *data, 1ull << *size_bits, ring.missing));
  return ring;
}

// The text of a record, between two ever-growing logical positions; nothing when they are broken.
std::optional<std::string_view> block_text(const Ring& ring, std::uint64_t begin,
                                           std::uint64_t next, std::uint64_t id,
                                           std::uint64_t length) {
  if ((begin & 1) != 0 && (next & 1) != 0) return "";  // NO_LPOS, FAILED_LPOS: without text
  const std::uint64_t size = ring.text.size();
  const std::uint64_t from = begin & (size - 1);
  std::uint64_t to = next & (size - 1);
  std::uint64_t start = from;
  if (begin / size != next / size) {
    if ((begin + size) / size != next / size) return std::nullopt;
    // A block that does not fit before the end is stored as a whole at the start. Newer kernels
    // let one end exactly at the end, older never do: that needs `to` == 0.
    if (to == 0) {
      to = size;
    } else {
      start = 0;
    }
  }
  if (to <= start || to - start < sizeof(std::uint64_t)) return std::nullopt;
  if (load<std::uint64_t>(ring.text, start) != id) return std::nullopt;
  const auto room = to - start - sizeof(std::uint64_t);
  const auto text = slice(ring.text, start + sizeof(std::uint64_t), std::min(length, room));
  return text ? std::optional(as_text(*text)) : std::nullopt;
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

Result<KernelLog> read_log(const VirtMemory& memory, const Vmcoreinfo& info) {
  RIG_ASSIGN(const Ring ring, read_ring(memory, info));
  KernelLog log;
  log.missing = ring.missing;
  const std::uint64_t span = std::min((ring.head - ring.tail) & kIdMask, ring.count - 1);
  for (std::uint64_t i = 0; i <= span; ++i) {
    const std::uint64_t id = (ring.tail + i) & kIdMask;
    const ByteView desc =
        ByteView(ring.descs).subspan(id % ring.count * ring.desc_size, ring.desc_size);
    const ByteView facts =
        ByteView(ring.infos).subspan(id % ring.count * ring.info_size, ring.info_size);
    const auto state = load<std::uint64_t>(desc, ring.state).value_or(0);
    // Slots that were never used, or were given back, hold another id or say so: no record.
    if ((state & kIdMask) != id || state >> kStateShift == kReusable) continue;
    if (state >> kStateShift == kReserved) {
      ++log.unfinished;
      continue;
    }
    const auto begin = load<std::uint64_t>(desc, ring.begin);
    const auto next = load<std::uint64_t>(desc, ring.next);
    const auto time = load<std::uint64_t>(facts, ring.time);
    const auto length = load<std::uint16_t>(facts, ring.length);
    const auto text = begin && next && time && length ? block_text(ring, *begin, *next, id, *length)
                                                      : std::nullopt;
    if (!text) {
      ++log.broken;
      continue;
    }
    ++log.records;
    append_record(log.text, *time, *text);
  }
  return log;
}

}  // namespace rig::analyzer
