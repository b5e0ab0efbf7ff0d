// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "guest/agent/report.h"
#include "guest/agent/symbol_filter.h"

namespace rig::guest {
namespace {

Done make_parent_folders(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return failure(errno, "mkdir", folder);
  }
  return {};
}

ssize_t read_retrying(int fd, char* buffer, std::size_t size) {
  ssize_t got = 0;
  do {
    got = read(fd, buffer, size);
  } while (got < 0 && errno == EINTR);
  return got;
}

}  // namespace

Done write_knob(const std::string& path, std::string_view value) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return failure(errno, "open", path);
  const ssize_t written = write(fd.get(), value.data(), value.size());
  if (written < 0) return failure(errno, "write", path);
  if (static_cast<std::size_t>(written) != value.size()) return failure(EIO, "short write", path);
  return {};
}

Done write_sysctl(const WriteSysctl& request) {
  std::string path = request.name;
  if (!path.starts_with('/')) {
    std::replace(path.begin(), path.end(), '.', '/');
    path.insert(0, "/proc/sys/");
  } else if (!path.starts_with("/proc/") && !path.starts_with("/sys/")) {
    return failure(EINVAL, "not below /proc or /sys:", path);
  }
  return write_knob(path, request.value);
}

Done read_small_file(const std::string& path, std::string& bytes) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return failure(errno, "open", path);
  bytes.resize(kMaxChunk);
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = read_retrying(fd.get(), bytes.data() + size, bytes.size() - size);
    if (got < 0) return failure(errno, "read", path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  bytes.resize(size);
  return {};
}

Done find_symbols(const FindSymbols& request, std::string& lines) {
  constexpr char kPath[] = "/proc/kallsyms";
  const UniqueFd fd(open(kPath, O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return failure(errno, "open", kPath);
  SymbolFilter filter(request.names, kMaxChunk);
  std::string buffer(kMaxChunk, '\0');
  while (true) {
    const ssize_t got = read_retrying(fd.get(), buffer.data(), buffer.size());
    if (got < 0) return failure(errno, "read", kPath);
    if (got == 0) break;
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
    if (!filter.feed(bytes)) return failure(EFBIG, "too many symbols of these names in", kPath);
  }
  lines = filter.lines();
  return {};
}

IncomingFile::IncomingFile(std::uint32_t id, const PutFile& request, Done& error)
    : id_(id), path_(request.path), missing_(request.size) {
  if (request.size > kMaxFileSize) {
    error = failure(EFBIG, "put", path_);
    return;
  }
  error = make_parent_folders(path_);
  if (failed(error)) return;
  const auto mode = static_cast<mode_t>(request.mode & 07777);
  // A program that is running cannot be overwritten, but it can be replaced.
  if (unlink(path_.c_str()) != 0 && errno != ENOENT) {
    error = failure(errno, "unlink", path_);
    return;
  }
  fd_.reset(open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd_.valid()) {
    error = failure(errno, "create", path_);
  } else if (fchmod(fd_.get(), mode) != 0) {
    error = failure(errno, "chmod", path_);
  }
}

Done IncomingFile::append(std::string_view bytes) {
  if (bytes.size() > missing_) return failure(EFBIG, "more bytes than announced for", path_);
  missing_ -= bytes.size();
  while (!bytes.empty()) {
    const ssize_t written = write(fd_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return failure(written < 0 ? errno : EIO, "write", path_);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// O_NONBLOCK: the likes of /proc/kmsg would otherwise make the agent wait.
OutgoingFile::OutgoingFile(std::uint32_t id, const ReadFile& request, Done& error)
    : id_(id),
      path_(request.path),
      allowed_(request.limit),
      fd_(open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
  if (!fd_.valid()) error = failure(errno, "open", path_);
}

Done OutgoingFile::read_chunk(FileChunk& chunk) {
  if (allowed_ == 0) return check_limit();
  chunk.bytes.resize(std::min<std::uint64_t>(allowed_, kMaxChunk));
  const ssize_t got = read_retrying(fd_.get(), chunk.bytes.data(), chunk.bytes.size());
  const int error = errno;
  chunk.bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  finished_ = got <= 0;
  allowed_ -= chunk.bytes.size();
  // EAGAIN: all that there is by now has been read.
  return got < 0 && error != EAGAIN ? failure(error, "read", path_) : Done{};
}

Done OutgoingFile::check_limit() {
  finished_ = true;
  char byte = 0;
  const ssize_t got = read_retrying(fd_.get(), &byte, 1);
  if (got == 0) return {};
  return failure(got < 0 ? errno : EFBIG, got < 0 ? "read" : "limit reached in", path_);
}

}  // namespace rig::guest
