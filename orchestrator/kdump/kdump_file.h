// SPDX-License-Identifier: Apache-2.0
// Writes a core as a kdump-compressed file, as makedumpfile -c does: not flattened, version 6,
// pages packed by zlib one by one.
// Format: analyzer/core/kdump.h, and its sources.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "analyzer/core/kdump.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "kdump/page_set.h"

namespace rig::kdump {

// What the headers say.
struct KdumpHead {
  std::string uts[6];         // as struct utsname has them: sysname to domainname
  std::uint64_t seconds = 0;  // when the kernel crashed
  std::uint32_t page_size = 4096;
  std::uint32_t dump_level = 0;
  std::uint32_t cpus = 0;
  std::uint64_t phys_base = 0;
  std::string notes;
  std::uint64_t vmcoreinfo_offset = 0, vmcoreinfo_size = 0;  // within `notes`
};

class KdumpFile {
 public:
  // `ram`: the pages that the guest had. At most `limit` of them are added. What is not finished
  // leaves no file.
  static Result<KdumpFile> create(const fs::path& path, const KdumpHead& head, const PageSet& ram,
                                  std::uint64_t limit);
  KdumpFile(KdumpFile&&) = default;
  ~KdumpFile();

  // Pages come in ascending order.
  Status add(std::uint64_t number, ByteView page);
  Status add_zeros(std::uint64_t number);
  Status finish();

 private:
  // What is written one after the other, in pieces of some size.
  struct Stream {
    std::uint64_t offset = 0;  // in the file, of what `bytes` begins with
    std::string bytes = {};
    std::uint64_t end() const { return offset + bytes.size(); }
  };
  struct FreeCompressor {
    void operator()(void* compressor) const;
  };

  KdumpFile(fs::path path, UniqueFd fd, const PageSet& ram)
      : path_(std::move(path)), fd_(std::move(fd)), dumped_(ram.size()) {}
  Status write(std::uint64_t offset, std::string_view bytes);
  Status append(Stream& stream, std::string_view bytes);
  Status flush(Stream& stream);
  Status write_headers(const KdumpHead& head, const PageSet& ram, std::uint64_t limit);
  Status describe(std::uint64_t number, const analyzer::KdumpPageDescriptor& descriptor);

  fs::path path_;
  UniqueFd fd_;  // of path_ with a suffix, until it is finished
  PageSet dumped_;
  std::uint64_t next_ = 0;  // lower numbers have been
  std::uint32_t page_size_ = 0;
  std::uint64_t bitmap_offset_ = 0;  // of the second
  std::uint64_t descriptors_end_ = 0;
  std::uint64_t zeros_ = 0;  // where the page of zeros lies; 0: there is none yet
  Stream descriptors_, data_;
  std::string packed_;
  std::unique_ptr<void, FreeCompressor> compressor_;
};

}  // namespace rig::kdump
