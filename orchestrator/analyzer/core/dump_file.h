// SPDX-License-Identifier: Apache-2.0
// The bytes of a dump by their offset in the dump, whether the file is plain or flattened.
// A flattened file is read where its records lie: an index, no copy. Read, not mapped: a file that
// shrinks meanwhile, or a disk that fails, is a fault of this core and not of the whole process.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/core/extents.h"
#include "analyzer/core/page_cache.h"
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

  // How many bytes lie at `offset` in one piece, at most `limit`; 0 when none do.
  std::uint64_t piece(std::uint64_t offset, std::uint64_t limit) const;

  // Copies, also across pieces. False when some byte is not in the file. What no record of a
  // complete flattened file wrote is zero, as in the sparse file that it stands for.
  bool read(std::uint64_t offset, MutableBytes out) const;

  template <typename T>
  std::optional<T> load(std::uint64_t offset) const {
    T value;
    if (!read(offset, std::as_writable_bytes(std::span(&value, 1)))) return std::nullopt;
    return value;
  }

  // The bytes from `offset` on up to the first that is missing: at most `size`, maybe none.
  std::vector<std::byte> read_up_to(std::uint64_t offset, std::uint64_t size) const;

 private:
  static constexpr std::size_t kBlock = 16 << 10;

  DumpFile(UniqueFd fd, std::uint64_t file_size) : fd_(std::move(fd)), file_size_(file_size) {}
  Status index_records();
  std::uint64_t position_of(std::uint64_t offset) const;
  bool read_file(std::uint64_t position, MutableBytes out) const;

  UniqueFd fd_;
  std::uint64_t file_size_;
  bool flattened_ = false;
  bool complete_ = true;
  ExtentMap map_;  // flattened: dump offset -> file offset
  std::vector<std::string> remarks_;
  mutable PageCache blocks_{kBlock};  // of the file, for reads that are smaller
};

}  // namespace rig::analyzer
