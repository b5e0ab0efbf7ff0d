// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/percpu.h"

#include <algorithm>
#include <bit>

#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxChunks = 65'536;
constexpr unsigned kMaxPercpuSlots = 64;
constexpr std::uint64_t kMaxPages = 1 << 14;                   // of one chunk, for one CPU
constexpr std::uint64_t kMaxMapped = std::uint64_t{16} << 30;  // bytes that all maps stand for
// PCPU_MIN_ALLOC_SIZE: what one bit of the maps stands for.
constexpr std::uint64_t kUnit = 4;

bool test(const std::vector<std::uint64_t>& map, std::uint64_t bit) {
  return bit / 64 < map.size() && (map[bit / 64] >> (bit % 64) & 1) != 0;
}

}  // namespace

PerCpu::PerCpu(const Kernel& kernel, unsigned cpus, std::uint64_t page_size)
    : kernel_(kernel),
      page_size_(page_size),
      offsets_(kernel.per_cpu_offsets(kernel.symbol("nr_cpu_ids") ? kMaxCpus : cpus)),
      start_(kernel.symbol("__per_cpu_start")),
      base_(kernel.variable("pcpu_base_addr")) {}

std::vector<std::uint64_t> PerCpu::read_map(VirtAddr at, std::uint64_t bits) const {
  std::vector<std::uint64_t> map((bits + 63) / 64);
  if (!kernel_.memory().read(at, std::as_writable_bytes(std::span(map)))) map.clear();
  return map;
}

std::optional<PerCpuChunk> PerCpu::read_chunk(VirtAddr at, std::string list) const {
  const auto base = kernel_.field(at, "pcpu_chunk.base_addr");
  const auto pages = kernel_.field(at, "pcpu_chunk.nr_pages");
  const auto bound = kernel_.field(at, "pcpu_chunk.bound_map");
  const auto alloc = kernel_.field(at, "pcpu_chunk.alloc_map");
  const auto populated = kernel_.member("pcpu_chunk.populated");
  if (!base || !pages || !bound || !alloc || !populated || *pages == 0 || *pages > kMaxPages) {
    return std::nullopt;
  }
  PerCpuChunk chunk;
  chunk.at = at;
  chunk.base = VirtAddr{*base};
  chunk.list = std::move(list);
  chunk.pages = *pages;
  chunk.page_size = page_size_;
  chunk.free_bytes = kernel_.field(at, "pcpu_chunk.free_bytes").value_or(0);
  const std::uint64_t bits = chunk.size() / kUnit;
  chunk.bound_map = read_map(VirtAddr{*bound}, bits + 1);
  chunk.alloc_map = read_map(VirtAddr{*alloc}, bits);
  chunk.populated_map = read_map(at + populated->offset, *pages);
  if (chunk.bound_map.empty() || chunk.alloc_map.empty()) return std::nullopt;
  for (std::uint64_t page = 0; page < *pages; ++page) {
    chunk.populated += test(chunk.populated_map, page) ? 1 : 0;
  }
  for (std::uint64_t bit = 0; bit < bits; ++bit) {
    if (!test(chunk.alloc_map, bit)) continue;
    chunk.allocated_bytes += kUnit;
    if (test(chunk.bound_map, bit)) ++chunk.allocations;
  }
  return chunk;
}

void PerCpu::add(VirtAddr at, std::string list) {
  const auto known = std::ranges::find(chunks_, at, &PerCpuChunk::at);
  if (known != chunks_.end()) return;
  if (auto chunk = read_chunk(at, std::move(list))) {
    mapped_ += chunk->size();
    chunks_.push_back(*std::move(chunk));
  } else if (why_.empty()) {
    why_ = fmt::format("the chunk at {} makes no sense", at);
  }
}

void PerCpu::add_list(VirtAddr head, unsigned slot) {
  const auto link = kernel_.member("pcpu_chunk.list");
  auto next = kernel_.memory().load<std::uint64_t>(head);
  while (link && next && *next != raw(head)) {
    if (chunks_.size() >= kMaxChunks) {
      why_ = fmt::format("more than {} chunks: the rest is left out", kMaxChunks);
      return;
    }
    if (mapped_ > kMaxMapped) {
      why_ = "the chunks are larger than can be: the rest is left out";
      return;
    }
    const std::size_t before = chunks_.size();
    add(VirtAddr{*next} - link->offset, fmt::format("slot {}", slot));
    if (chunks_.size() == before) return;  // broken, or a cycle
    next = kernel_.memory().load<std::uint64_t>(VirtAddr{*next});
  }
}

void PerCpu::read_chunks() {
  chunks_read_ = true;
  const auto lists = kernel_.variable("pcpu_chunk_lists");
  const auto slots = kernel_.variable<std::int32_t>("pcpu_nr_slots");
  const auto list_size = kernel_.types() ? kernel_.types()->size_of("list_head") : std::nullopt;
  // The first chunk is found by its own variable: a full one may have left its list.
  if (const auto first = kernel_.variable("pcpu_first_chunk"); first && *first != 0) {
    add(VirtAddr{*first}, "first");
  }
  if (const auto reserved = kernel_.variable("pcpu_reserved_chunk"); reserved && *reserved != 0) {
    add(VirtAddr{*reserved}, "reserved");
  }
  if (!lists || !slots || !list_size) {
    if (why_.empty()) why_ = "this kernel does not say where pcpu_chunk_lists is";
    return;
  }
  for (unsigned slot = 0; slot < kMaxPercpuSlots && static_cast<std::int32_t>(slot) < *slots;
       ++slot) {
    add_list(VirtAddr{*lists} + slot * *list_size, slot);
  }
}

const std::vector<PerCpuChunk>& PerCpu::chunks() {
  if (!chunks_read_) read_chunks();
  return chunks_;
}

PerCpuPlace PerCpu::place_in(const PerCpuChunk& chunk, std::uint64_t offset,
                             VirtAddr pointer) const {
  const std::uint64_t bits = chunk.size() / kUnit;
  const std::uint64_t bit = offset / kUnit;
  PerCpuPlace place;
  place.populated = test(chunk.populated_map, offset / chunk.page_size);
  if (!test(chunk.alloc_map, bit)) {
    place.words = fmt::format("free, in the per-CPU chunk at {}", chunk.base);
    return place;
  }
  std::uint64_t first = bit;
  while (first > 0 && !test(chunk.bound_map, first)) --first;
  std::uint64_t end = bit + 1;
  while (end < bits && !test(chunk.bound_map, end)) ++end;
  place.allocated = true;
  place.bytes = (end - first) * kUnit;
  place.begin = pointer - (offset - first * kUnit);
  place.words = fmt::format("alloc_percpu: {} bytes for each CPU", *place.bytes);
  if (offset != first * kUnit) place.words += fmt::format(", +{:#x}", offset - first * kUnit);
  return place;
}

std::optional<PerCpuPlace> PerCpu::place(VirtAddr pointer) {
  if (kernel_.symbols()) {
    if (const auto found = kernel_.symbols()->nearest_per_cpu(pointer)) {
      PerCpuPlace place;
      place.words = fmt::format("static: {}+{:#x}", found->name, pointer - found->address);
      place.begin = found->address;
      place.allocated = true;
      return place;
    }
  }
  if (!start_ || !base_) return std::nullopt;
  // __pcpu_ptr_to_addr() of the first unit.
  const VirtAddr address = pointer + (*base_ - raw(*start_));
  for (const PerCpuChunk& chunk : chunks()) {
    const std::uint64_t offset = address - chunk.base;
    if (offset < chunk.size()) return place_in(chunk, offset, pointer);
  }
  return std::nullopt;
}

std::optional<VirtAddr> PerCpu::pointer_of(VirtAddr address) {
  for (const std::uint64_t offset : offsets_) {
    if (offset == 0) continue;
    const VirtAddr pointer = address - offset;
    if (place(pointer)) return pointer;
  }
  return std::nullopt;
}

}  // namespace rig::analyzer
