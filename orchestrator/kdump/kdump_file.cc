// SPDX-License-Identifier: Apache-2.0
#include "kdump/kdump_file.h"

#include <fcntl.h>
#include <libdeflate.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "analyzer/core/decompress.h"

namespace rig::kdump {
namespace {

using analyzer::KdumpMainHeader;
using analyzer::KdumpPageDescriptor;
using analyzer::KdumpSubHeader;

constexpr std::uint32_t kVersion = 6;
constexpr auto kZlib = static_cast<std::uint32_t>(analyzer::Compression::kZlib);
constexpr int kFastest = 1;
constexpr std::size_t kBuffer = std::size_t{1} << 20;

fs::path unfinished(const fs::path& path) {
  return path.string() + ".unfinished";
}

constexpr std::uint64_t blocks_of(std::uint64_t bytes, std::uint64_t block) {
  return (bytes + block - 1) / block;
}

template <typename T>
std::string_view bytes_of(const T& value) {
  return as_text(std::as_bytes(std::span(&value, 1)));
}

void put(char (&field)[65], std::string_view text) {
  text.copy(field, sizeof field - 1);
}

KdumpMainHeader main_header(const KdumpHead& head, std::uint64_t pages, std::uint64_t sub_blocks,
                            std::uint64_t bitmap_blocks) {
  KdumpMainHeader header{};
  std::string_view("KDUMP   ").copy(header.signature, sizeof header.signature);
  header.version = kVersion;
  put(header.sysname, head.uts[0]);
  put(header.nodename, head.uts[1]);
  put(header.release, head.uts[2]);
  put(header.uts_version, head.uts[3]);
  put(header.machine, head.uts[4]);
  put(header.domain, head.uts[5]);
  header.seconds = head.seconds;
  header.status = kZlib;
  header.block_size = head.page_size;
  header.sub_header_blocks = static_cast<std::uint32_t>(sub_blocks);
  header.bitmap_blocks = static_cast<std::uint32_t>(2 * bitmap_blocks);
  header.max_mapnr = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(pages, std::numeric_limits<std::uint32_t>::max()));
  header.cpus = head.cpus;
  return header;
}

// `at`: where the sub-header lies; the notes follow it.
KdumpSubHeader sub_header(const KdumpHead& head, std::uint64_t pages, std::uint64_t at) {
  KdumpSubHeader header{};
  header.phys_base = head.phys_base;
  header.dump_level = head.dump_level;
  header.notes_offset = at + sizeof header;
  header.notes_size = head.notes.size();
  header.vmcoreinfo_offset = header.notes_offset + head.vmcoreinfo_offset;
  header.vmcoreinfo_size = head.vmcoreinfo_size;
  header.end_pfn_64 = header.max_mapnr_64 = pages;
  header.end_pfn = pages;
  return header;
}

}  // namespace

void KdumpFile::FreeCompressor::operator()(void* compressor) const {
  ::libdeflate_free_compressor(static_cast<libdeflate_compressor*>(compressor));
}

Result<KdumpFile> KdumpFile::create(const fs::path& path, const KdumpHead& head, const PageSet& ram,
                                    std::uint64_t limit) {
  const fs::path name = unfinished(path);
  UniqueFd fd(::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return fail_errno(errno, "cannot create " + name.string());
  KdumpFile file(path, std::move(fd), ram);
  file.compressor_.reset(::libdeflate_alloc_compressor(kFastest));
  if (!file.compressor_) return fail(Blame::kRig, "no memory for compressing the core");
  file.page_size_ = head.page_size;
  RIG_TRY(file.write_headers(head, ram, limit));
  return file;
}

KdumpFile::~KdumpFile() {
  if (!fd_) return;
  fd_.reset();
  std::error_code ignored;
  fs::remove(unfinished(path_), ignored);
}

Status KdumpFile::write_headers(const KdumpHead& head, const PageSet& ram, std::uint64_t limit) {
  const std::uint64_t block = head.page_size;
  const std::uint64_t sub_blocks = blocks_of(sizeof(KdumpSubHeader) + head.notes.size(), block);
  const std::uint64_t bitmap_blocks = blocks_of(ram.bytes().size(), block);
  const std::uint64_t bitmaps = (1 + sub_blocks) * block;
  RIG_TRY(write(0, bytes_of(main_header(head, ram.size(), sub_blocks, bitmap_blocks))));
  RIG_TRY(write(block, bytes_of(sub_header(head, ram.size(), block))));
  RIG_TRY(write(block + sizeof(KdumpSubHeader), head.notes));
  RIG_TRY(write(bitmaps, as_text(ram.bytes())));
  bitmap_offset_ = bitmaps + bitmap_blocks * block;
  descriptors_.offset = bitmap_offset_ + bitmap_blocks * block;
  // Room for all of them: how many pages are zero is known at the end.
  descriptors_end_ = descriptors_.offset + limit * sizeof(KdumpPageDescriptor);
  data_.offset = align_up(descriptors_end_, block);
  return {};
}

Status KdumpFile::write(std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t done =
        ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return fail_errno(done < 0 ? errno : EIO, "cannot write " + path_.string());
    bytes.remove_prefix(static_cast<std::size_t>(done));
    offset += static_cast<std::uint64_t>(done);
  }
  return {};
}

Status KdumpFile::append(Stream& stream, std::string_view bytes) {
  stream.bytes += bytes;
  return stream.bytes.size() < kBuffer ? Status() : flush(stream);
}

Status KdumpFile::flush(Stream& stream) {
  RIG_TRY(write(stream.offset, stream.bytes));
  stream.offset += stream.bytes.size();
  stream.bytes.clear();
  return {};
}

Status KdumpFile::describe(std::uint64_t number, const KdumpPageDescriptor& descriptor) {
  const bool fits = descriptors_.end() + sizeof descriptor <= descriptors_end_;
  if (number < next_ || number >= dumped_.size() || !fits) {
    return fail(Blame::kRig, "page {:#x} of the core is out of order", number);
  }
  next_ = number + 1;
  dumped_.insert(number, 1);
  return append(descriptors_, bytes_of(descriptor));
}

Status KdumpFile::add(std::uint64_t number, ByteView page) {
  if (page.size() != page_size_) return fail(Blame::kRig, "a page of {} bytes", page.size());
  packed_.resize(page_size_);
  // Room for less than the page: what does not get smaller is stored as it is.
  const std::size_t size =
      ::libdeflate_zlib_compress(static_cast<libdeflate_compressor*>(compressor_.get()),
                                 page.data(), page.size(), packed_.data(), page_size_ - 1);
  const std::string_view stored =
      size != 0 ? std::string_view(packed_).substr(0, size) : as_text(page);
  RIG_TRY(describe(number, {.offset = data_.end(),
                            .size = static_cast<std::uint32_t>(stored.size()),
                            .flags = size != 0 ? kZlib : 0,
                            .page_flags = 0}));
  return append(data_, stored);
}

// They share one page of the file.
Status KdumpFile::add_zeros(std::uint64_t number) {
  if (zeros_ == 0) {
    zeros_ = data_.end();
    RIG_TRY(append(data_, std::string(page_size_, '\0')));
  }
  return describe(number, {.offset = zeros_, .size = page_size_, .flags = 0, .page_flags = 0});
}

Status KdumpFile::finish() {
  RIG_TRY(flush(descriptors_));
  RIG_TRY(flush(data_));
  RIG_TRY(write(bitmap_offset_, as_text(dumped_.bytes())));
  fd_.reset();
  std::error_code error;
  fs::rename(unfinished(path_), path_, error);
  if (error) return fail_errno(error.value(), "cannot create " + path_.string());
  return {};
}

}  // namespace rig::kdump
