// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <mutex>

namespace rig {

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Result<MappedFile> MappedFile::open(const fs::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(errno, fmt::format("cannot open {}", path.string()), Blame::kInput);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    return fail_errno(errno, fmt::format("cannot stat {}", path.string()));
  }
  if (!S_ISREG(info.st_mode)) {
    return fail(Blame::kInput, "{} is not a regular file", path.string());
  }
  if (info.st_size == 0) return MappedFile(ByteView{});
  const auto size = static_cast<std::size_t>(info.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (address == MAP_FAILED) return fail_errno(errno, fmt::format("cannot map {}", path.string()));
  return MappedFile(ByteView(static_cast<const std::byte*>(address), size));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Result<std::string> read_file(const fs::path& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(errno, fmt::format("cannot open {}", path.string()), Blame::kInput);
  std::string content;
  char buffer[65536];
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, fmt::format("cannot read {}", path.string()));
    if (count == 0) return content;
    content.append(buffer, static_cast<std::size_t>(count));
    if (content.size() > limit) {
      return fail(Blame::kInput, "{} is larger than {} bytes", path.string(), limit);
    }
  }
}

namespace {

Status write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t count = ::write(fd, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, "cannot write");
    content.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

}  // namespace

Status write_file_atomically(const fs::path& path, std::string_view content) {
  std::string temporary = path.string() + ".XXXXXX";
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return fail_errno(errno, fmt::format("cannot create {}", temporary));
  Status status = write_all(fd.get(), content);
  if (status && ::fchmod(fd.get(), 0644) != 0) status = fail_errno(errno, "cannot chmod");
  if (status && ::fsync(fd.get()) != 0) status = fail_errno(errno, "cannot sync");
  if (status && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = fail_errno(errno, "cannot rename");
  }
  if (!status) {
    ::unlink(temporary.c_str());
    return wrap(path.string(), std::move(status).error());
  }
  return {};
}

Status copy_over(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (!error) fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  if (!error) return {};
  return fail(Blame::kRig, "cannot copy {} to {}: {}", from.string(), to.string(), error.message());
}

Result<TempDir> TempDir::create(std::string_view prefix, std::optional<fs::path> parent) {
  std::error_code error;
  const fs::path base = parent ? *parent : fs::temp_directory_path(error);
  if (error) return fail(Blame::kRig, "no folder for temporary files: {}", error.message());
  fs::create_directories(base, error);
  std::string pattern = (base / fmt::format("{}.XXXXXX", prefix)).string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    return fail_errno(errno, fmt::format("cannot create {}", pattern));
  }
  return TempDir(fs::path(pattern));
}

TempDir::~TempDir() {
  if (path_.empty()) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

namespace {

// Waits for `time` or until the user asks to stop.
void pause(const std::stop_token& stop, Clock::duration time) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any().wait_for(lock, stop, time, [] { return false; });
}

}  // namespace

Result<FileLock> FileLock::acquire(const fs::path& path, Deadline deadline,
                                   const std::stop_token& stop) {
  std::error_code ignored;
  fs::create_directories(path.parent_path(), ignored);
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return fail_errno(errno, fmt::format("cannot open {}", path.string()));
  // flock has no timeout of its own; another run holds it for seconds, so a short poll is enough.
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return fail_errno(errno, fmt::format("cannot lock {}", path.string()));
    }
    if (stop.stop_requested()) return fail(Blame::kCancelled, "stopped");
    if (deadline.expired()) {
      return fail(Blame::kRig, "another run still holds {}", path.string());
    }
    pause(stop, std::chrono::milliseconds(50));
  }
  return FileLock(std::move(fd));
}

Result<fs::path> cache_dir() {
  fs::path base;
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg != nullptr && *xdg == '/') {
    base = xdg;
  } else if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    base = fs::path(home) / ".cache";
  } else {
    return fail_hint(Blame::kRig, "set HOME or XDG_CACHE_HOME", "no folder for caches");
  }
  const fs::path path = base / "crashrig";
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail(Blame::kRig, "cannot create {}: {}", path.string(), error.message());
  return path;
}

}  // namespace rig
