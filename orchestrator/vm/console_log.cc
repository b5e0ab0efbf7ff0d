// SPDX-License-Identifier: Apache-2.0
#include "vm/console_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/text.h"

namespace rig::vm {

Result<ConsoleLog> ConsoleLog::create(const fs::path& path, OnLine on_line,
                                      BeginsReport begins_report, ConsoleLogLimits limits) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return fail_errno(errno, fmt::format("cannot create {}", path.string()));
  return ConsoleLog(path, std::move(fd), std::move(on_line), std::move(begins_report), limits);
}

void ConsoleLog::feed(std::string_view bytes) {
  for (const char c : bytes) {
    if (c == '\r') continue;  // the console ends lines with \r\n
    unstored_ += c;
    if (c == '\n' || line_.size() >= kMaxLine) end_line();
    if (c != '\n') line_ += c;
    if (unstored_.size() >= kMaxLine) store(std::exchange(unstored_, {}));
  }
  store(std::exchange(unstored_, {}));
}

void ConsoleLog::finish() {
  if (!line_.empty()) end_line();
}

void ConsoleLog::end_line() {
  std::string line = std::exchange(line_, {});
  if (!report_kept_ && begins_report_ && begins_report_(line)) {
    store(std::exchange(unstored_, {}));
    keep_report();
  }
  on_line_(std::move(line));
}

void ConsoleLog::store(std::string_view bytes) {
  if (error_ || bytes.empty()) return;
  if (!write_at(size_, bytes)) return;
  size_ += bytes.size();
  if (keep_until_ == 0) {
    if (size_ - tail_at_ > 2 * limits_.tail) cut_tail(limits_.tail);
    return;
  }
  fixed_ = size_;
  if (size_ < keep_until_) return;
  tail_at_ = size_;  // the tail begins
  keep_until_ = left_out_ = 0;
}

// The line that begins it has been stored.
void ConsoleLog::keep_report() {
  report_kept_ = true;
  if (error_) return;
  if (keep_until_ == 0) cut_tail(limits_.context);
  fixed_ = size_;
  keep_until_ = size_ + limits_.report;
}

// Leaves the last `keep` bytes of the tail, from the beginning of a line on.
void ConsoleLog::cut_tail(std::uint64_t keep) {
  const std::uint64_t have = size_ - tail_at_;
  if (have <= keep) return;
  std::string tail = read_at(size_ - keep, keep);
  if (error_) return;
  if (const auto end = tail.find('\n'); end != std::string::npos) tail.erase(0, end + 1);
  left_out_ += have - tail.size();
  const std::string gap =
      fmt::format("[crashrig: {} of console output left out here]\n", human_bytes(left_out_));
  if (!write_at(fixed_, gap) || !write_at(fixed_ + gap.size(), tail)) return;
  tail_at_ = fixed_ + gap.size();
  size_ = tail_at_ + tail.size();
  if (::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0) failed("shorten");
}

bool ConsoleLog::write_at(std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count =
        ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("write");
    bytes.remove_prefix(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return true;
}

std::string ConsoleLog::read_at(std::uint64_t offset, std::uint64_t size) {
  std::string bytes(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const ssize_t count =
        ::pread(fd_.get(), bytes.data() + have, size - have, static_cast<off_t>(offset + have));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) failed("read");
    if (count <= 0) break;
    have += static_cast<std::size_t>(count);
  }
  bytes.resize(have);
  return bytes;
}

bool ConsoleLog::failed(const char* what) {
  error_ = fail_errno(errno, fmt::format("cannot {} {}", what, path_.string())).value();
  return false;
}

}  // namespace rig::vm
