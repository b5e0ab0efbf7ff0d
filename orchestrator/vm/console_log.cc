// SPDX-License-Identifier: Apache-2.0
#include "vm/console_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace rig::vm {

Result<ConsoleLog> ConsoleLog::create(const fs::path& path, OnLine on_line) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return fail_errno(errno, fmt::format("cannot create {}", path.string()));
  return ConsoleLog(path, std::move(fd), std::move(on_line));
}

void ConsoleLog::feed(std::string_view bytes) {
  std::string plain;  // the console ends lines with \r\n
  plain.reserve(bytes.size());
  for (const char c : bytes) {
    if (c == '\r') continue;
    plain += c;
    if (c == '\n' || line_.size() >= kMaxLine) on_line_(std::exchange(line_, {}));
    if (c != '\n') line_ += c;
  }
  store(plain);
}

void ConsoleLog::finish() {
  if (!line_.empty()) on_line_(std::exchange(line_, {}));
}

void ConsoleLog::store(std::string_view bytes) {
  constexpr std::string_view kCut = "\n[the rig stopped writing here: the log is too long]\n";
  if (error_ || written_ >= kMaxFile) return;
  written_ += bytes.size();
  const std::string last = written_ >= kMaxFile ? std::string(bytes) + std::string(kCut) : "";
  if (!last.empty()) bytes = last;
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      error_ = fail_errno(errno, fmt::format("cannot write {}", path_.string())).value();
      return;
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace rig::vm
