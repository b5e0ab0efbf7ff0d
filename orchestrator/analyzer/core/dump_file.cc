// SPDX-License-Identifier: Apache-2.0
#include "analyzer/core/dump_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/flattened.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kRecordHeader = 16;
constexpr std::uint64_t kEndMark = ~std::uint64_t{0};
// More is damage, not a dump: offsets of 256 TB, 16 Mi records (QEMU writes one per 16 KiB).
constexpr std::uint64_t kOffsetLimit = std::uint64_t{1} << 48;
constexpr std::size_t kRecordLimit = std::size_t{1} << 24;

constexpr std::size_t kLargeRead = 4096;
constexpr std::uint64_t kDropAfter = 64 << 20;

struct Record {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

// Two big-endian numbers, or nothing when the file ends before. Read, not mapped: the headers lie
// 16 KiB apart, so mapping would bring in the whole file to look at a thousandth of it.
std::optional<Record> read_record(int fd, std::uint64_t position) {
  std::array<std::uint64_t, 2> words{};
  static_assert(sizeof words == kRecordHeader);
  const ssize_t got = ::pread(fd, words.data(), sizeof words, static_cast<off_t>(position));
  if (got != static_cast<ssize_t>(sizeof words)) return std::nullopt;
  return Record{__builtin_bswap64(words[0]), __builtin_bswap64(words[1])};
}

}  // namespace

Result<DumpFile> DumpFile::open(const fs::path& path) {
  RIG_ASSIGN(MappedFile mapped, MappedFile::open(path));
  DumpFile file(std::move(mapped));
  if (!looks_flattened(file.file_.bytes())) return file;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(errno, fmt::format("cannot open {}", path.string()), Blame::kInput);
  if (const Status indexed = file.index_records(fd.get()); !indexed) {
    return wrap(path.string(), indexed.error());
  }
  return file;
}

Status DumpFile::index_records(int fd) {
  flattened_ = true;
  complete_ = false;
  const std::uint64_t file_end = file_.bytes().size();
  if (const auto type = read_record(fd, 16); !type || type->offset != 1) {
    return fail(Blame::kInput, "a flattened dump of a type that we do not know");
  }
  std::vector<Extent> records;
  std::uint64_t position = kFlattenedHeaderSize;
  for (;;) {
    const auto record = read_record(fd, position);
    if (!record || position + kRecordHeader > file_end) {
      remarks_.push_back("the flattened file is cut short: its end record is missing");
      break;
    }
    if (record->offset == kEndMark && record->size == kEndMark) {
      complete_ = true;
      break;
    }
    if (record->offset >= kOffsetLimit || record->size >= kOffsetLimit ||
        records.size() == kRecordLimit) {
      remarks_.push_back(fmt::format(
          "the flattened file is damaged at {:#x}: what comes after is not used", position));
      break;
    }
    position += kRecordHeader;
    const std::uint64_t present = std::min(record->size, file_end - position);
    if (present != 0) records.push_back({record->offset, present, position});
    position += present;
  }
  std::reverse(records.begin(), records.end());  // as with pwrite(), the later one holds
  map_ = ExtentMap(std::move(records));
  return {};
}

std::uint64_t DumpFile::size() const {
  return flattened_ ? map_.end() : file_.bytes().size();
}

std::uint64_t DumpFile::file_size() const {
  return file_.bytes().size();
}

ByteView DumpFile::piece(std::uint64_t offset, std::uint64_t limit) const {
  const ByteView bytes = file_.bytes();
  if (!flattened_) {
    if (offset >= bytes.size()) return {};
    return bytes.subspan(offset, std::min<std::uint64_t>(limit, bytes.size() - offset));
  }
  const Extent* extent = map_.at_or_above(offset);
  if (extent == nullptr || extent->begin > offset) return {};
  return bytes.subspan(extent->source + (offset - extent->begin),
                       std::min(limit, extent->end() - offset));
}

std::optional<ByteView> DumpFile::view(std::uint64_t offset, std::uint64_t size) const {
  const ByteView found = piece(offset, size);
  if (found.size() != size) return std::nullopt;
  return found;
}

bool DumpFile::read(std::uint64_t offset, MutableBytes out) const {
  // A walk over a large file must not make all of it resident; look-ups do not count.
  if (out.size() >= kLargeRead) copied_ += out.size();
  if (copied_ > kDropAfter) drop_resident();
  while (!out.empty()) {
    const ByteView found = piece(offset, out.size());
    std::size_t count = found.size();
    if (count != 0) {
      std::memcpy(out.data(), found.data(), count);
    } else {
      const Extent* next = complete_ ? map_.at_or_above(offset) : nullptr;
      if (next == nullptr) return false;
      count = std::min<std::uint64_t>(out.size(), next->begin - offset);
      std::memset(out.data(), 0, count);
    }
    out = out.subspan(count);
    offset += count;
  }
  return true;
}

void DumpFile::drop_resident() const {
  copied_ = 0;
  const ByteView bytes = file_.bytes();
  if (bytes.empty()) return;
  ::madvise(const_cast<std::byte*>(bytes.data()), bytes.size(), MADV_DONTNEED);
}

}  // namespace rig::analyzer
