// SPDX-License-Identifier: Apache-2.0
// Files: owned descriptors, mappings, temporary folders that go away, locks, atomic replacement.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/deadline.h"
#include "base/error.h"

namespace rig {

namespace fs = std::filesystem;

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// A whole file mapped read-only. Pages come in as they are touched.
class MappedFile {
 public:
  static Result<MappedFile> open(const fs::path& path);
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedFile();

  ByteView bytes() const { return bytes_; }

 private:
  explicit MappedFile(ByteView bytes) : bytes_(bytes) {}
  ByteView bytes_;
};

Result<std::string> read_file(const fs::path& path, std::size_t limit = 64 << 20);

// Writes beside the target, syncs, renames: a reader sees the old file or the whole new one.
Status write_file_atomically(const fs::path& path, std::string_view content);

// Copies a file, over one that is there; makes the folders that it needs.
Status copy_over(const fs::path& from, const fs::path& to);

// A folder that is removed with its content when the object goes, under $TMPDIR or `parent`.
class TempDir {
 public:
  static Result<TempDir> create(std::string_view prefix, std::optional<fs::path> parent = {});
  TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempDir& operator=(TempDir&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~TempDir();

  const fs::path& path() const { return path_; }
  // Gives up ownership, e.g. after the folder was renamed to its final place.
  void release() { path_.clear(); }

 private:
  explicit TempDir(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

// An exclusive lock between processes on `path` (created if missing), held for the object's life.
class FileLock {
 public:
  static Result<FileLock> acquire(const fs::path& path, Deadline deadline,
                                  const std::stop_token& stop = {});

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// $XDG_CACHE_HOME/crashrig, by default ~/.cache/crashrig. Created if missing.
Result<fs::path> cache_dir();

}  // namespace rig
