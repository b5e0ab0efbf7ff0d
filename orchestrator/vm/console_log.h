// SPDX-License-Identifier: Apache-2.0
// The serial console: every byte into a file as it arrives, and whole lines to whoever listens.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"

namespace rig::vm {

class ConsoleLog {
 public:
  static constexpr std::size_t kMaxLine = 16 << 10;  // longer ones are cut into pieces
  static constexpr std::uint64_t kMaxFile = std::uint64_t{256} << 20;  // a guest cannot fill a disk

  using OnLine = std::function<void(std::string line)>;  // without its end

  static Result<ConsoleLog> create(const fs::path& path, OnLine on_line);

  void feed(std::string_view bytes);
  void finish();  // hands on a last line that has no end
  // The first failure to write the file, e.g. a full disk.
  const std::optional<Error>& error() const { return error_; }

 private:
  ConsoleLog(fs::path path, UniqueFd fd, OnLine on_line)
      : path_(std::move(path)), fd_(std::move(fd)), on_line_(std::move(on_line)) {}
  void store(std::string_view bytes);

  fs::path path_;
  UniqueFd fd_;
  OnLine on_line_;
  std::string line_;
  std::uint64_t written_ = 0;
  std::optional<Error> error_;
};

}  // namespace rig::vm
