// SPDX-License-Identifier: Apache-2.0
// A core on its way to disk: a file that appears at its path whole or not at all, and the receiver
// that rearranges QEMU's flattened stream into it while it arrives.
#pragma once

#include <memory>
#include <optional>

#include "base/flattened.h"
#include "vm/loop.h"

namespace rig::vm {

class PendingFile {
 public:
  // Without a name where the filesystem can do that (O_TMPFILE), so that not even SIGKILL leaves it
  // behind; else under a temporary name beside the target.
  static Result<PendingFile> create(const fs::path& target);
  PendingFile(PendingFile&& other) noexcept = default;
  ~PendingFile();

  int fd() const { return fd_.get(); }
  // Gives the file its name, replacing what is there.
  Status commit();

 private:
  PendingFile(fs::path target, fs::path name, UniqueFd fd)
      : target_(std::move(target)), name_(std::move(name)), fd_(std::move(fd)) {}

  fs::path target_;
  fs::path name_;  // temporary; empty when it has none
  UniqueFd fd_;
};

// A write that failed, told with what the disk has and what the dump needs. `needed` 0: unknown.
Error dump_write_error(int error_number, const fs::path& target, std::uint64_t written,
                       std::uint64_t needed);

class DumpReceiver {
 public:
  // Writes to `file`, which must outlive it.
  static Result<std::unique_ptr<DumpReceiver>> create(Loop& loop, int file);
  // From an end that somebody else writes to. `flattened`: else it is written as it comes.
  static Result<std::unique_ptr<DumpReceiver>> create(Loop& loop, int file, UniqueFd reading_end,
                                                      bool flattened);

  // The end to hand to QEMU. Close it (here) once handed over, or the stream will never end.
  UniqueFd take_writing_end() { return std::move(writing_end_); }

  // The stream has ended, whole or not. After a failed write it ends at once: QEMU gets EPIPE.
  bool ended() const { return ended_; }
  bool whole() const {
    return (flattened_ ? decoder_.finished() : written_ != 0) && !failed_ && write_error_ == 0;
  }
  int write_error() const { return write_error_; }                // errno, or 0
  const std::optional<Error>& damage() const { return failed_; }  // not a flattened stream
  std::uint64_t written() const { return written_; }

 private:
  DumpReceiver(int file, bool flattened);
  void feed(std::string_view bytes);
  Status store(std::uint64_t offset, ByteView bytes);

  int file_;
  bool flattened_ = true;
  UniqueFd writing_end_;
  FlattenedDecoder decoder_;
  std::optional<Error> failed_;
  int write_error_ = 0;
  std::uint64_t written_ = 0;
  bool ended_ = false;
  std::unique_ptr<Channel> pipe_;
};

}  // namespace rig::vm
