// SPDX-License-Identifier: Apache-2.0
#include "analyzer/core/dump_file.h"

#include <fcntl.h>
#include <sys/stat.h>
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

struct Record {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

bool read_exactly(int fd, std::uint64_t position, MutableBytes out) {
  while (!out.empty()) {
    const ssize_t got = ::pread(fd, out.data(), out.size(), static_cast<off_t>(position));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    out = out.subspan(static_cast<std::size_t>(got));
    position += static_cast<std::uint64_t>(got);
  }
  return true;
}

// Two big-endian numbers, or nothing when the file ends before. Past the cache of blocks: the
// headers lie 16 KiB apart, so blocks would bring in the whole file to look at a thousandth of it.
std::optional<Record> read_record(int fd, std::uint64_t position) {
  std::array<std::uint64_t, 2> words{};
  static_assert(sizeof words == kRecordHeader);
  if (!read_exactly(fd, position, std::as_writable_bytes(std::span(words)))) return std::nullopt;
  return Record{__builtin_bswap64(words[0]), __builtin_bswap64(words[1])};
}

}  // namespace

Result<DumpFile> DumpFile::open(const fs::path& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno(errno, fmt::format("cannot open {}", path.string()), Blame::kInput);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    return fail_errno(errno, fmt::format("cannot stat {}", path.string()), Blame::kInput);
  }
  if (!S_ISREG(info.st_mode)) {
    return fail(Blame::kInput, "{} is not a regular file", path.string());
  }
  DumpFile file(std::move(fd), static_cast<std::uint64_t>(info.st_size));
  if (!looks_flattened(file.read_up_to(0, kFlattenedHeaderSize))) return file;
  if (const Status indexed = file.index_records(); !indexed) {
    return wrap(path.string(), indexed.error());
  }
  return file;
}

Status DumpFile::index_records() {
  flattened_ = true;
  complete_ = false;
  if (const auto type = read_record(fd_.get(), 16); !type || type->offset != 1) {
    return fail(Blame::kInput, "a flattened dump of a type that we do not know");
  }
  std::vector<Extent> records;
  std::uint64_t position = kFlattenedHeaderSize;
  for (;;) {
    const auto record = read_record(fd_.get(), position);
    if (!record || position + kRecordHeader > file_size_) {
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
    const std::uint64_t present = std::min(record->size, file_size_ - position);
    if (present != 0) records.push_back({record->offset, present, position});
    position += present;
  }
  std::reverse(records.begin(), records.end());  // as with pwrite(), the later one holds
  map_ = ExtentMap(std::move(records));
  return {};
}

std::uint64_t DumpFile::size() const {
  return flattened_ ? map_.end() : file_size_;
}

std::uint64_t DumpFile::file_size() const {
  return file_size_;
}

std::uint64_t DumpFile::piece(std::uint64_t offset, std::uint64_t limit) const {
  if (!flattened_) return offset < file_size_ ? std::min(limit, file_size_ - offset) : 0;
  const Extent* extent = map_.at_or_above(offset);
  if (extent == nullptr || extent->begin > offset) return 0;
  return std::min(limit, extent->end() - offset);
}

// Where in the file the piece at `offset` lies.
std::uint64_t DumpFile::position_of(std::uint64_t offset) const {
  if (!flattened_) return offset;
  const Extent* extent = map_.at_or_above(offset);
  return extent->source + (offset - extent->begin);
}

// [position, position + out.size()) lies in the file, as it was when it was opened.
bool DumpFile::read_file(std::uint64_t position, MutableBytes out) const {
  if (out.size() >= kBlock) return read_exactly(fd_.get(), position, out);
  while (!out.empty()) {
    const std::uint64_t block = position / kBlock;
    const std::size_t inside = position % kBlock;
    const std::size_t count = std::min(out.size(), kBlock - inside);
    ByteView bytes = blocks_.find(block);
    if (bytes.empty()) {
      const MutableBytes slot = blocks_.insert(block);
      const auto size = std::min<std::uint64_t>(kBlock, file_size_ - block * kBlock);
      if (!read_exactly(fd_.get(), block * kBlock, slot.first(size))) {
        blocks_.forget(block);
        return false;
      }
      bytes = slot;
    }
    std::memcpy(out.data(), bytes.data() + inside, count);
    out = out.subspan(count);
    position += count;
  }
  return true;
}

bool DumpFile::read(std::uint64_t offset, MutableBytes out) const {
  while (!out.empty()) {
    std::size_t count = piece(offset, out.size());
    if (count != 0) {
      if (!read_file(position_of(offset), out.first(count))) return false;
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

std::vector<std::byte> DumpFile::read_up_to(std::uint64_t offset, std::uint64_t size) const {
  std::vector<std::byte> bytes(std::min(size, file_size_));
  if (read(offset, bytes)) return bytes;
  std::uint64_t good = 0;
  while (good < bytes.size()) {
    const auto count = piece(offset + good, bytes.size() - good);
    if (count == 0 || !read(offset + good, MutableBytes(bytes).subspan(good, count))) break;
    good += count;
  }
  bytes.resize(good);
  return bytes;
}

}  // namespace rig::analyzer
