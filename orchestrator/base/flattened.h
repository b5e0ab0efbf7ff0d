// SPDX-License-Identifier: Apache-2.0
// makedumpfile's flattened format: a dump as a stream of (offset, size, bytes) records, so that it
// can go through a pipe. QEMU 7.2 writes its kdump formats only so.
// Format: makedumpfile.h (struct makedumpfile_header, makedumpfile_data_header), QEMU dump/dump.c.
//   4096 bytes header: "makedumpfile" padded to 16, type = 1, version = 1 (int64, big-endian)
//   then records: offset, size (int64, big-endian), size bytes; offset == size == -1 ends it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace rig {

inline constexpr std::size_t kFlattenedHeaderSize = 4096;

bool looks_flattened(ByteView start_of_file);

// Takes the stream in pieces of any size and hands on what belongs where.
class FlattenedDecoder {
 public:
  // Called with parts of records in stream order; an error ends the decoding.
  using Sink = std::function<Status(std::uint64_t offset, ByteView bytes)>;

  explicit FlattenedDecoder(Sink sink) : sink_(std::move(sink)) {}

  Status feed(ByteView bytes);
  bool finished() const { return state_ == State::kFinished; }  // the end record was seen

 private:
  enum class State { kHeader, kRecord, kData, kFinished };

  Status begin_record();

  Sink sink_;
  State state_ = State::kHeader;
  std::string pending_;  // the start of a header or record that is not complete yet
  std::uint64_t offset_ = 0;
  std::uint64_t left_ = 0;
  std::uint64_t position_ = 0;
};

}  // namespace rig
