// SPDX-License-Identifier: Apache-2.0
//
// flood [--seconds N] [--bytes N] [--line TEXT]... : prints so many bytes of lines to the console,
// as a program that went wild would; the lines that are given come once, in the middle. Exit code:
// 0, 2 usage, 3 there is no console.
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

struct Settings {
  std::uint64_t seconds = 10;  // taken, and of no meaning: it ends with its last byte
  std::uint64_t bytes = std::uint64_t{100} << 20;
  std::vector<std::string> lines;
};

bool write_all(Load& load, int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return load.fail_setup("/dev/console", errno), false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// Numbered lines, so that one can see which are missing.
bool print(Load& load, int fd, std::uint64_t bytes, std::uint64_t& number) {
  while (bytes > 0) {
    std::string block;
    while (block.size() < kBlock) {
      block += "flood " + std::to_string(++number) + " " + std::string(60, '~') + "\n";
    }
    if (!write_all(load, fd, block)) return false;
    load.count_work(block.size());
    bytes -= block.size() < bytes ? block.size() : bytes;
  }
  return true;
}

int run(const Settings& settings) {
  Load load("flood");
  const int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return load.fail_setup("/dev/console", errno), load.exit_code();
  std::string middle;
  for (const std::string& line : settings.lines) middle += line + "\n";
  std::uint64_t number = 0;
  if (print(load, fd, settings.bytes / 2, number) && write_all(load, fd, middle)) {
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
  return options.parse(argc, argv) ? rig::guest::run(settings) : rig::guest::Options::kUsage;
}
