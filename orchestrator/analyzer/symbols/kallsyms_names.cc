// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/kallsyms_names.h"

#include <algorithm>
#include <bit>
#include <span>

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxTokenTable = 64 << 10;
constexpr std::size_t kMaxNameLength = 4096;  // KSYM_NAME_LEN is 512
constexpr std::uint64_t kMaxBlock = 1 << 20;  // of 256 names; a real one has 3 KiB
constexpr std::uint64_t kMaxEncoded = 256 << 20;
constexpr unsigned kMaxOfOneBucket = 256;  // of one bucket; a real one has five at most
constexpr std::uint64_t kPrime = 0x9e37'79b9'7f4a'7c15;
constexpr std::uint64_t kNoHash = 0;

// The length of the name that `reader` stands before, in tokens.
std::optional<std::uint32_t> next_length(ByteReader& reader) {
  const auto first = reader.next<std::uint8_t>();
  if (!first || (*first & 0x80) == 0) return first;
  // Since 73bbb94466fd (v6.1) a length may take two bytes.
  const auto second = reader.next<std::uint8_t>();
  if (!second) return std::nullopt;
  return (*first & 0x7fu) | static_cast<std::uint32_t>(*second) << 7;
}

// How many bytes `names` take from the beginning of `bytes`.
std::optional<std::size_t> skip_names(ByteView bytes, std::uint32_t names) {
  ByteReader reader(bytes);
  for (; names > 0; --names) {
    const auto length = next_length(reader);
    if (!length || !reader.take(*length)) return std::nullopt;
  }
  return reader.position();
}

}  // namespace

Result<KallsymsNames> KallsymsNames::open(const VirtMemory& memory, const Tables& tables) {
  KallsymsNames names;
  names.memory_ = &memory;
  names.tables_ = tables;
  RIG_TRY(names.read_tokens());
  if (!names.take_markers()) RIG_TRY(names.derive_markers());
  return names;
}

Status KallsymsNames::read_tokens() {
  std::array<std::uint16_t, kTokens> starts{};
  if (!memory_->read(tables_.token_index, std::as_writable_bytes(std::span(starts)))) {
    return fail(Blame::kInput, "kallsyms: the token index at {} is not in the core",
                tables_.token_index);
  }
  const auto most = std::uint64_t{*std::ranges::max_element(starts)} + kMaxNameLength;
  const auto bytes = memory_->read_up_to(tables_.token_table, std::min(most, kMaxTokenTable));
  const auto add = [](Share& share, char letter) {
    share.factor *= kPrime;
    share.sum = share.sum * kPrime + static_cast<unsigned char>(letter) + 1;
  };
  for (std::size_t token = 0; token < kTokens; ++token) {
    const auto text = load_c_string(bytes, starts[token]);
    if (!text) return fail(Blame::kInput, "kallsyms: token {} lies outside its table", token);
    tokens_[token] = *text;
    for (std::size_t i = 0; i < text->size(); ++i) {
      add(shares_[token], (*text)[i]);
      if (i > 0) add(tails_[token], (*text)[i]);
    }
  }
  return {};
}

// VMCOREINFO does not name kallsyms_markers[], but scripts/kallsyms.c has always written it behind
// the names and before the tokens, 8-byte aligned; from 60443c88f3a8 (v6.2) until they moved away,
// kallsyms_seqs_of_names[] (3 bytes each) lay between the two. Taken only if names begin there.
bool KallsymsNames::take_markers() {
  const std::size_t blocks = (tables_.count + kPerBlock - 1) / kPerBlock;
  const auto size = align_up(blocks * sizeof(std::uint32_t), 8);
  const auto sequences = align_up(std::uint64_t{tables_.count} * 3, 8);
  for (const std::uint64_t between : {std::uint64_t{0}, sequences}) {
    const VirtAddr at{raw(tables_.token_table) - between - size};
    if (at <= tables_.names || at - tables_.names > kMaxEncoded) continue;
    std::vector<std::uint32_t> markers(blocks);
    if (!memory_->read(at, std::as_writable_bytes(std::span(markers)))) continue;
    markers.push_back(static_cast<std::uint32_t>(at - tables_.names));
    if (markers[0] != 0 || !std::ranges::is_sorted(markers)) continue;
    if (!blocks_close(markers)) continue;
    markers_ = std::move(markers);
    return true;
  }
  return false;
}

// Whether 256 names lead from one marker to the next, tried at a few places. A block that is not
// in the core says nothing.
bool KallsymsNames::blocks_close(const std::vector<std::uint32_t>& markers) const {
  const std::size_t whole = markers.size() - 2;  // the last may have fewer than 256
  bool tried = whole == 0;
  for (const std::size_t block : {std::size_t{0}, whole / 2, whole - 1}) {
    if (block >= whole) continue;
    const std::uint64_t size = markers[block + 1] - markers[block];
    if (size > kMaxBlock) return false;
    const auto bytes = memory_->read_up_to(tables_.names + markers[block], size);
    if (bytes.size() < size) continue;
    if (skip_names(bytes, kPerBlock) != size) return false;
    tried = true;
  }
  return tried;
}

// Without markers: one pass over the lengths, in pieces, because where the names end is known only
// after the last one.
Status KallsymsNames::derive_markers() {
  markers_ = {0};
  for (std::uint32_t done = 0; done < tables_.count;) {
    const auto part = std::min(kPerBlock, tables_.count - done);
    std::optional<std::size_t> size;
    for (std::uint64_t room = 16 << 10; !size && room <= kMaxBlock; room *= 4) {
      const auto bytes = memory_->read_up_to(tables_.names + markers_.back(), room);
      size = skip_names(bytes, part);
      if (bytes.size() < room) break;
    }
    if (!size || markers_.back() + *size > kMaxEncoded) {
      // The names before the gap are as good as ever.
      if (done > 0) return {};
      return fail(Blame::kInput, "kallsyms: cut short within the first {} names", part);
    }
    markers_.push_back(static_cast<std::uint32_t>(markers_.back() + *size));
    done += part;
  }
  return {};
}

// As much of it as the core has. Valid until the next call.
ByteView KallsymsNames::block(std::size_t number) const {
  if (number + 1 >= markers_.size()) return {};
  if (block_read_ != number) {
    const std::uint64_t size = markers_[number + 1] - markers_[number];
    block_bytes_ = memory_->read_up_to(tables_.names + markers_[number], std::min(size, kMaxBlock));
    block_read_ = number;
  }
  return block_bytes_;
}

std::optional<std::string> KallsymsNames::at(std::uint32_t number) const {
  if (number >= tables_.count) return std::nullopt;
  const ByteView bytes = block(number / kPerBlock);
  const auto skip = skip_names(bytes, number % kPerBlock);
  if (!skip) return std::nullopt;
  ByteReader reader(bytes.subspan(*skip));
  const auto length = next_length(reader);
  const auto coded = length ? reader.take(*length) : std::nullopt;
  if (!coded) return std::nullopt;
  std::string text;
  for (const std::byte token : *coded) {
    text += tokens_[std::to_integer<std::uint8_t>(token)];
    if (text.size() > kMaxNameLength) return std::nullopt;
  }
  if (text.size() < 2) return std::nullopt;
  return text;
}

std::optional<std::uint32_t> KallsymsNames::find(std::string_view name) const {
  const Index& index = this->index();
  const auto bucket = bucket_of(hash_of(name), index.bits);
  const auto end = std::min(index.starts[bucket + 1], index.starts[bucket] + kMaxOfOneBucket);
  for (auto i = index.starts[bucket]; i < end; ++i) {
    const auto text = at(index.numbers[i]);
    if (text && std::string_view(*text).substr(1) == name) return index.numbers[i];
  }
  return std::nullopt;
}

std::uint32_t KallsymsNames::lost() const {
  return index().lost;
}

std::uint64_t KallsymsNames::hash_of(std::string_view name) {
  std::uint64_t hash = 0;
  for (const char letter : name) hash = hash * kPrime + static_cast<unsigned char>(letter) + 1;
  return hash;
}

std::uint64_t KallsymsNames::bucket_of(std::uint64_t hash, unsigned bits) {
  return (hash ^ hash >> 32) * kPrime >> (64 - bits);
}

// Two passes of a counting sort: 4 bytes for each symbol and no hash table to fill at random.
const KallsymsNames::Index& KallsymsNames::index() const {
  if (index_) return *index_;
  Index index;
  index.bits = std::max(2u, static_cast<unsigned>(std::bit_width(tables_.count))) - 1;
  std::vector<std::uint64_t> hashes(tables_.count, kNoHash);
  const std::size_t blocks = (tables_.count + kPerBlock - 1) / kPerBlock;
  for (std::size_t i = 0; i < blocks; ++i) hash_block(i, hashes, index);

  index.starts.resize((std::size_t{1} << index.bits) + 1);
  for (const std::uint64_t hash : hashes) {
    if (hash != kNoHash) ++index.starts[bucket_of(hash, index.bits) + 1];
  }
  for (std::size_t i = 1; i < index.starts.size(); ++i) index.starts[i] += index.starts[i - 1];
  index.numbers.resize(index.starts.back());
  auto next = index.starts;
  for (std::uint32_t i = 0; i < tables_.count; ++i) {
    if (hashes[i] != kNoHash) index.numbers[next[bucket_of(hashes[i], index.bits)]++] = i;
  }
  index_ = std::move(index);
  return *index_;
}

void KallsymsNames::hash_block(std::size_t number, std::vector<std::uint64_t>& hashes,
                               Index& index) const {
  const auto first = static_cast<std::uint32_t>(number) * kPerBlock;
  const auto end = std::min(first + kPerBlock, tables_.count);
  ByteReader reader(block(number));
  for (std::uint32_t i = first; i < end; ++i) {
    const auto length = next_length(reader);
    const auto coded = length ? reader.take(*length) : std::nullopt;
    if (!coded) {
      index.lost += end - i;
      return;
    }
    if (coded->empty() || tokens_[std::to_integer<std::uint8_t>((*coded)[0])].empty()) {
      ++index.lost;
      continue;
    }
    std::uint64_t hash = tails_[std::to_integer<std::uint8_t>((*coded)[0])].sum;
    for (const std::byte token : coded->subspan(1)) {
      const Share& share = shares_[std::to_integer<std::uint8_t>(token)];
      hash = hash * share.factor + share.sum;
    }
    hashes[i] = hash;
  }
}

}  // namespace rig::analyzer
