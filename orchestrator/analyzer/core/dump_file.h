// SPDX-License-Identifier: Apache-2.0
// The bytes of a dump by their offset in the dump, whether the file is plain or flattened.
// A flattened file is read where its records lie: an index, no copy.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/core/extents.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"

namespace rig::analyzer {

class DumpFile {
 public:
  static Result<DumpFile> open(const fs::path& path);

  bool flattened() const { return flattened_; }
  // False: a flattened file without its end record, i.e. cut short or damaged.
  bool complete() const { return complete_; }
  const std::vector<std::string>& remarks() const { return remarks_; }

  std::uint64_t size() const;       // the dump's: one past its last byte
  std::uint64_t file_size() const;  // the file's: bounds what can honestly be in it

  // The bytes at `offset`, as many as lie there in one piece, at most `limit`; empty when none do.
  ByteView piece(std::uint64_t offset, std::uint64_t limit) const;

  // Exactly `size` bytes in one piece, or nothing.
  std::optional<ByteView> view(std::uint64_t offset, std::uint64_t size) const;

  // Copies, also across pieces. False when some byte is not in the file. What no record of a
  // complete flattened file wrote is zero, as in the sparse file that it stands for.
  bool read(std::uint64_t offset, MutableBytes out) const;

  template <typename T>
  std::optional<T> load(std::uint64_t offset) const {
    T value;
    if (!read(offset, std::as_writable_bytes(std::span(&value, 1)))) return std::nullopt;
    return value;
  }

  // Lets go of the memory that the mapping occupies; the next access brings back what it needs.
  void drop_resident() const;

 private:
  explicit DumpFile(MappedFile file) : file_(std::move(file)) {}
  Status index_records(int fd);

  MappedFile file_;
  bool flattened_ = false;
  bool complete_ = true;
  ExtentMap map_;  // flattened: dump offset -> file offset
  std::vector<std::string> remarks_;
  mutable std::uint64_t copied_ = 0;  // by large reads, since the last drop_resident()
};

}  // namespace rig::analyzer
