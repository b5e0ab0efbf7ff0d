// SPDX-License-Identifier: Apache-2.0
#include "base/flattened.h"

#include <algorithm>

namespace rig {
namespace {

constexpr std::string_view kSignature("makedumpfile\0\0\0\0", 16);
constexpr std::size_t kRecordSize = 16;
constexpr std::uint64_t kEnd = ~std::uint64_t{0};

std::uint64_t load_big_endian(std::string_view bytes, std::size_t offset) {
  return __builtin_bswap64(load<std::uint64_t>(as_bytes(bytes), offset).value_or(0));
}

}  // namespace

bool looks_flattened(ByteView start_of_file) {
  return as_text(start_of_file.first(std::min(start_of_file.size(), kSignature.size()))) ==
         kSignature;
}

Status FlattenedDecoder::feed(ByteView bytes) {
  while (!bytes.empty() && state_ != State::kFinished) {
    if (state_ == State::kData) {
      const std::size_t count = std::min<std::uint64_t>(left_, bytes.size());
      RIG_TRY(sink_(offset_, bytes.first(count)));
      bytes = bytes.subspan(count);
      position_ += count;
      offset_ += count;
      left_ -= count;
      if (left_ == 0) state_ = State::kRecord;
      continue;
    }
    const std::size_t wanted = state_ == State::kHeader ? kFlattenedHeaderSize : kRecordSize;
    const std::size_t count = std::min(wanted - pending_.size(), bytes.size());
    pending_ += as_text(bytes.first(count));
    bytes = bytes.subspan(count);
    position_ += count;
    if (pending_.size() == wanted) RIG_TRY(begin_record());
  }
  return {};
}

Status FlattenedDecoder::begin_record() {
  const std::string header = std::exchange(pending_, {});
  if (state_ == State::kHeader) {
    if (!looks_flattened(as_bytes(header)) || load_big_endian(header, 16) != 1) {
      return fail(Blame::kInput, "not a flattened dump");
    }
    state_ = State::kRecord;
    return {};
  }
  offset_ = load_big_endian(header, 0);
  left_ = load_big_endian(header, 8);
  if (offset_ == kEnd && left_ == kEnd) {
    state_ = State::kFinished;
    return {};
  }
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 48;  // 256 TB: more is damage, not a dump
  if (offset_ >= kLimit || left_ >= kLimit) {
    return fail(Blame::kInput,
                "damaged flattened dump: record of {} bytes for offset {:#x} at {:#x}", left_,
                offset_, position_ - kRecordSize);
  }
  if (left_ != 0) state_ = State::kData;
  return {};
}

}  // namespace rig
