// SPDX-License-Identifier: Apache-2.0
//
// flood [--seconds N] [--bytes N] [--line TEXT]... [--log TEXT]... : prints so many bytes of lines
// to the console, as a program that went wild would; the lines that are given come once, in the
// middle, then those for the kernel's log (/dev/kmsg). Exit code: 0, 2 usage, 3 there is no console
// or log.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "guest/stress/load.h"
#include "guest/stress/options.h"

namespace rig::guest {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr char kConsole[] = "/dev/console";
constexpr char kLog[] = "/dev/kmsg";

struct Settings {
  std::uint64_t seconds = 10;  // taken, and of no meaning: it ends with its last byte
  std::uint64_t bytes = std::uint64_t{100} << 20;
  std::vector<std::string> lines;
  std::vector<std::string> log;
};

bool write_all(Load& load, int fd, const char* name, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return load.fail_setup(name, errno), false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

int open_to_write(Load& load, const char* name) {
  const int fd = open(name, O_WRONLY | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) load.fail_setup(name, errno);
  return fd;
}

// Each write is a record, and is read once it has its end.
bool log_lines(Load& load, const std::vector<std::string>& lines) {
  if (lines.empty()) return true;
  const int fd = open_to_write(load, kLog);
  bool good = fd >= 0;
  for (const std::string& line : lines) good = good && write_all(load, fd, kLog, line + "\n");
  if (fd >= 0) close(fd);
  return good;
}

// Numbered lines, so that one can see which are missing.
bool print(Load& load, int fd, std::uint64_t bytes, std::uint64_t& number) {
  while (bytes > 0) {
    std::string block;
    while (block.size() < kBlock) {
      block += "flood " + std::to_string(++number) + " " + std::string(60, '~') + "\n";
    }
    if (!write_all(load, fd, kConsole, block)) return false;
    load.count_work(block.size());
    bytes -= block.size() < bytes ? block.size() : bytes;
  }
  return true;
}

int run(const Settings& settings) {
  Load load("flood");
  const int fd = open_to_write(load, kConsole);
  if (fd < 0) return load.exit_code();
  std::string middle;
  for (const std::string& line : settings.lines) middle += line + "\n";
  std::uint64_t number = 0;
  if (print(load, fd, settings.bytes / 2, number) && write_all(load, fd, kConsole, middle) &&
      log_lines(load, settings.log)) {
    print(load, fd, settings.bytes / 2, number);
  }
  close(fd);
  return load.exit_code();
}

}  // namespace
}  // namespace rig::guest

int main(int argc, char** argv) {
  rig::guest::Settings settings;
  rig::guest::Options options("flood");
  options.number("--seconds", settings.seconds);
  options.number("--bytes", settings.bytes);
  options.texts("--line", "TEXT", settings.lines);
  options.texts("--log", "TEXT", settings.log);
  return options.parse(argc, argv) ? rig::guest::run(settings) : rig::guest::Options::kUsage;
}
