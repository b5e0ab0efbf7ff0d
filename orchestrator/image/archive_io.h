// SPDX-License-Identifier: Apache-2.0
// What this room does with libarchive: Debian packages in, cpio archives out, compressed files.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"

struct archive;

namespace rig::image {

struct UnpackOptions {
  // Whether to keep the entry with this path ("usr/src/x/Makefile"). Empty: everything.
  std::function<bool(std::string_view path)> keep = {};
  // The part of the package that is done, 0..1; a few times a second.
  std::function<void(double)> on_progress = {};
  std::stop_token stop = {};
};

// Unpacks the data of a .deb (deb(5): an ar archive that holds data.tar.*) below `root`, in one
// pass. Owners are not kept. A path that leaves `root` is an error; absolute symlinks are made
// relative to `root`, so that the tree works wherever it is moved to.
Status unpack_deb(const fs::path& deb, const fs::path& root, const UnpackOptions& options);

// The same of a tar file, compressed or not.
Status unpack_tar(const fs::path& tar, const fs::path& root, const UnpackOptions& options);

// Decompresses xz, zstd, gzip, lz4, lzma or bzip2, whichever it is; plain bytes come out as they
// are. `sink` gets the parts in order. More than `limit` bytes are an error.
using ByteSink = std::function<Status(ByteView part)>;
Status decompress(ByteView bytes, const ByteSink& sink, std::uint64_t limit);

// Writes an initramfs (cpio "newc", the kernel's buffer-format.rst), uncompressed: unpacking costs
// a guest under TCG more than reading a few megabytes. Owner root, time 0: the same input gives the
// same bytes.
class CpioWriter {
 public:
  static Result<CpioWriter> create(const fs::path& path);

  Status add_folder(const std::string& path);
  Status add_file(const std::string& path, unsigned mode, std::string_view content);
  Status add_character_device(const std::string& path, unsigned mode, unsigned major,
                              unsigned minor);
  Status close();

 private:
  struct Free {
    void operator()(archive* writer) const;
  };
  explicit CpioWriter(archive* writer) : writer_(writer) {}
  std::unique_ptr<archive, Free> writer_;
};

}  // namespace rig::image
