// SPDX-License-Identifier: Apache-2.0
// The serial console: its bytes into a file as they arrive, and whole lines to whoever listens. A
// guest that prints without end does not fill the disk: the file keeps the beginning, what follows
// the first report, and the end, with a line in each gap that says how much is left out.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"

namespace rig::vm {

struct ConsoleLogLimits {
  std::uint64_t head = 4 << 20;      // bytes kept of the beginning
  std::uint64_t context = 16 << 10;  // in front of the report
  std::uint64_t report = 1 << 20;    // and from it on
  std::uint64_t tail = 4 << 20;      // of the end; up to twice as much until it is cut again
};

class ConsoleLog {
 public:
  static constexpr std::size_t kMaxLine = 16 << 10;  // longer ones are cut into pieces

  using OnLine = std::function<void(std::string line)>;  // without its end
  // Does a report begin with this line? The first that does is kept.
  using BeginsReport = std::function<bool(std::string_view line)>;

  static Result<ConsoleLog> create(const fs::path& path, OnLine on_line,
                                   BeginsReport begins_report = {}, ConsoleLogLimits limits = {});

  void feed(std::string_view bytes);
  void finish();  // hands on a last line that has no end
  // The first failure to write the file, e.g. a full disk.
  const std::optional<Error>& error() const { return error_; }

 private:
  ConsoleLog(fs::path path, UniqueFd fd, OnLine on_line, BeginsReport begins_report,
             ConsoleLogLimits limits)
      : path_(std::move(path)),
        fd_(std::move(fd)),
        on_line_(std::move(on_line)),
        begins_report_(std::move(begins_report)),
        limits_(limits),
        keep_until_(limits.head) {}

  void end_line();
  void store(std::string_view bytes);
  void keep_report();
  void cut_tail(std::uint64_t keep);
  bool write_at(std::uint64_t offset, std::string_view bytes);
  std::string read_at(std::uint64_t offset, std::uint64_t size);
  bool failed(const char* what);

  fs::path path_;
  UniqueFd fd_;
  OnLine on_line_;
  BeginsReport begins_report_;
  ConsoleLogLimits limits_;
  std::string line_;
  std::string unstored_;
  // The file: [0, fixed_) is kept for good, and grows until keep_until_ (then 0). Behind it lie a
  // line about the left_out_ bytes, if there are any, and from tail_at_ on the latest bytes.
  std::uint64_t size_ = 0, fixed_ = 0, keep_until_, tail_at_ = 0, left_out_ = 0;
  bool report_kept_ = false;
  std::optional<Error> error_;
};

}  // namespace rig::vm
