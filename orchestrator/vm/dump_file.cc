// SPDX-License-Identifier: Apache-2.0
#include "vm/dump_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/text.h"

namespace rig::vm {
namespace {

constexpr int kPipeSize = 1 << 20;  // the most an unprivileged user gets (pipe-max-size)

// A name beside `target` that nothing else has: made by making the file.
Result<std::pair<fs::path, UniqueFd>> create_named(const fs::path& target) {
  std::string pattern = target.string() + ".XXXXXX";
  UniqueFd fd(::mkostemp(pattern.data(), O_CLOEXEC));
  if (!fd) return fail_errno(errno, fmt::format("cannot create {}", pattern));
  ::fchmod(fd.get(), 0644);
  return std::pair(fs::path(pattern), std::move(fd));
}

}  // namespace

Result<PendingFile> PendingFile::create(const fs::path& target) {
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  UniqueFd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0644));
  if (fd) return PendingFile(target, {}, std::move(fd));
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
    return fail_errno(errno, fmt::format("cannot write a core into {}", folder.string()));
  }
  RIG_ASSIGN(auto named, create_named(target));
  return PendingFile(target, std::move(named.first), std::move(named.second));
}

PendingFile::~PendingFile() {
  if (fd_ && !name_.empty()) ::unlink(name_.c_str());
}

Status PendingFile::commit() {
  const std::string what = fmt::format("cannot name {}", target_.string());
  if (name_.empty()) {
    const std::string self = fmt::format("/proc/self/fd/{}", fd_.get());
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, target_.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      fd_.reset();
      return {};
    }
    if (errno != EEXIST) return fail_errno(errno, what);
    // A link cannot replace a file, a rename can.
    RIG_ASSIGN(auto named, create_named(target_));
    ::unlink(named.first.c_str());
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, named.first.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      return fail_errno(errno, what);
    }
    name_ = std::move(named.first);
  }
  if (::rename(name_.c_str(), target_.c_str()) != 0) return fail_errno(errno, what);
  fd_.reset();
  return {};
}

Error dump_write_error(int error_number, const fs::path& target, std::uint64_t written,
                       std::uint64_t needed) {
  Error error = fail_errno(error_number, fmt::format("cannot write {}", target.string())).value();
  if (error_number != ENOSPC && error_number != EDQUOT && error_number != EFBIG) return error;
  std::error_code ignored;
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  const fs::space_info space = fs::space(folder, ignored);
  error.what += fmt::format("; {} were written", human_bytes(written));
  if (needed != 0) error.what += fmt::format(", up to {} are needed", human_bytes(needed));
  if (!ignored) error.what += fmt::format(", {} are free now", human_bytes(space.available));
  error.hint = fmt::format("make room in {} or write the results elsewhere", folder.string());
  return error;
}

Result<std::unique_ptr<DumpReceiver>> DumpReceiver::create(Loop& loop, int file) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "cannot create a pipe");
  UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  ::fcntl(writing.get(), F_SETPIPE_SZ, kPipeSize);  // a smaller one is only slower
  RIG_ASSIGN(auto receiver, create(loop, file, std::move(reading), true));
  receiver->writing_end_ = std::move(writing);
  return receiver;
}

Result<std::unique_ptr<DumpReceiver>> DumpReceiver::create(Loop& loop, int file, UniqueFd reading,
                                                           bool flattened) {
  std::unique_ptr<DumpReceiver> receiver(new DumpReceiver(file, flattened));
  RIG_ASSIGN(receiver->pipe_,
             Channel::create(loop, std::move(reading),
                             {.on_bytes = [raw = receiver.get()](auto bytes) { raw->feed(bytes); },
                              .on_end = [raw = receiver.get()] { raw->ended_ = true; }},
                             kPipeSize));
  return receiver;
}

DumpReceiver::DumpReceiver(int file, bool flattened)
    : file_(file),
      flattened_(flattened),
      decoder_([this](std::uint64_t offset, ByteView bytes) { return store(offset, bytes); }) {}

void DumpReceiver::feed(std::string_view bytes) {
  if (write_error_ != 0 || failed_) return;
  Status status = flattened_ ? decoder_.feed(as_bytes(bytes)) : store(written_, as_bytes(bytes));
  if (status) return;
  if (write_error_ == 0) failed_ = std::move(status).error();
  pipe_->close();
}

Status DumpReceiver::store(std::uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      write_error_ = errno;
      return fail_errno(write_error_, "cannot write");
    }
    offset += static_cast<std::uint64_t>(count);
    written_ += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

}  // namespace rig::vm
