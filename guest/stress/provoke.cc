// SPDX-License-Identifier: Apache-2.0
//
// provoke [--seconds N] [--times N] [--set PATH=VALUE]... [--says TEXT] [TRIGGER]: has the kernel
// crash itself, by its own module for that: TRIGGER, one of those that
// /sys/kernel/debug/provoke-crash/DIRECT lists (LKDTM), is written to that file, N times (1) after
// another. What --set names, sysctls say, is written before.
//
// With --says the kernel's log must come to have TEXT in one of its lines within N seconds; without
// a trigger the lines of the whole log count, with one those since it was written. Without
// --says the program ends with the last write. Exit code: 0; 1 the kernel did not say TEXT, 2
// usage, 3 it could not be tried: no such file, no such trigger, a write that was refused.
#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "guest/stress/load.h"

namespace rig::guest {
namespace {

constexpr char kDebugfs[] = "/sys/kernel/debug";
constexpr char kDirect[] = "/sys/kernel/debug/provoke-crash/DIRECT";
constexpr std::size_t kListSize = 8192;    // the kernel's own list is at most a page
constexpr std::size_t kRecordSize = 8192;  // of /dev/kmsg, at most (kernel/printk/printk.c)

struct Options {
  unsigned long seconds = 10;
  unsigned long times = 1;
  std::vector<std::pair<std::string, std::string>> settings;
  std::string says;
  std::string trigger;
};

bool parse_number(const char* text, unsigned long& number) {
  char* end = nullptr;
  number = std::strtoul(text, &end, 10);
  return *text != '\0' && *end == '\0' && number != 0;
}

std::optional<Options> parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (!word.starts_with("--")) {
      if (!options.trigger.empty()) return std::nullopt;
      options.trigger = word;
      continue;
    }
    if (++i == argc) return std::nullopt;
    const std::string value = argv[i];
    if (word == "--seconds" || word == "--times") {
      if (!parse_number(argv[i], word == "--times" ? options.times : options.seconds))
        return std::nullopt;
    } else if (word == "--says") {
      options.says = value;
    } else if (const std::size_t equals = value.find('=');
               word == "--set" && equals != std::string::npos) {
      options.settings.emplace_back(value.substr(0, equals), value.substr(equals + 1));
    } else {
      return std::nullopt;
    }
  }
  if (options.trigger.empty() && options.says.empty()) return std::nullopt;
  return options;
}

// Writes all of `text` by one call. 0 or errno.
int write_once(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const ssize_t written = write(fd, text.data(), text.size());
  const int error = written < 0 ? errno : 0;
  close(fd);
  return error != 0 || static_cast<std::size_t>(written) == text.size() ? error : EIO;
}

// The file lists the names that it takes, one per line.
bool find_trigger(Load& load, const std::string& trigger) {
  if (mount("debugfs", kDebugfs, "debugfs", 0, nullptr) != 0 && errno != EBUSY) {
    return load.fail_setup("mount debugfs", errno), false;
  }
  const int fd = open(kDirect, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return load.fail_setup(kDirect, errno), false;
  std::string list(kListSize, '\0');
  std::size_t size = 0;
  for (ssize_t got = 1; got > 0 && size < list.size(); size += static_cast<std::size_t>(got)) {
    got = read(fd, list.data() + size, list.size() - size);
    if (got < 0) break;
  }
  close(fd);
  list = "\n" + list.substr(0, size);
  if (list.find("\n" + trigger + "\n") != std::string::npos) return true;
  return load.fail_setup(("the kernel has no trigger " + trigger).c_str(), 0), false;
}

// The kernel's log, one record after another.
class KernelLog {
 public:
  explicit KernelLog(bool from_now) : fd_(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
    if (from_now) lseek(fd_, 0, SEEK_END);
  }
  ~KernelLog() {
    if (fd_ >= 0) close(fd_);
  }
  KernelLog(const KernelLog&) = delete;
  KernelLog& operator=(const KernelLog&) = delete;

  bool is_open() const { return fd_ >= 0; }

  // Until a line has `text` or the time is over. What goes by is printed.
  bool wait_for(const std::string& text, std::chrono::steady_clock::time_point end) {
    while (std::chrono::steady_clock::now() < end) {
      const auto line = next();
      if (!line) {
        pollfd wanted{.fd = fd_, .events = POLLIN, .revents = 0};
        poll(&wanted, 1, 100);
        continue;
      }
      if (line->starts_with("lkdtm: ")) std::printf("%s\n", line->c_str());
      if (line->find(text) != std::string::npos) return true;
    }
    return false;
  }

 private:
  // "6,1234,5678901,-;text\n KEY=value\n" (Documentation/ABI/testing/dev-kmsg). Lines that the
  // kernel has overwritten before we came (EPIPE) are left out.
  std::optional<std::string> next() {
    ssize_t size = read(fd_, record_.data(), record_.size());
    while (size < 0 && (errno == EPIPE || errno == EINTR)) {
      size = read(fd_, record_.data(), record_.size());
    }
    if (size <= 0) return std::nullopt;
    std::string_view line(record_.data(), static_cast<std::size_t>(size));
    line = line.substr(0, line.find('\n'));
    const std::size_t text = line.find(';');
    return std::string(line.substr(text == std::string_view::npos ? 0 : text + 1));
  }

  int fd_;
  std::array<char, kRecordSize> record_{};
};

bool apply_settings(Load& load, const Options& options) {
  for (const auto& [path, value] : options.settings) {
    const int error = write_once(path, value);
    if (error != 0) return load.fail_setup(path.c_str(), error), false;
  }
  return true;
}

int run(const Options& options) {
  Load load("provoke");
  const bool has_trigger = !options.trigger.empty();
  if (!apply_settings(load, options)) return load.exit_code();
  if (has_trigger && !find_trigger(load, options.trigger)) return load.exit_code();
  KernelLog kernel_log(has_trigger);
  if (!kernel_log.is_open()) return load.fail_setup("/dev/kmsg", errno), load.exit_code();
  // The host has these lines before the kernel does what it is asked for.
  for (unsigned long i = 0; has_trigger && i < options.times; ++i) {
    std::printf("provoke: %s\n", options.trigger.c_str());
    std::fflush(stdout);
    load.count_work(1);
    const int error = write_once(kDirect, options.trigger);
    if (error != 0) return load.fail_setup("the trigger was refused", error), load.exit_code();
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(options.seconds);
  if (!options.says.empty() && !kernel_log.wait_for(options.says, end)) {
    load.fail(("the kernel did not say '" + options.says + "'").c_str(), 0);
  }
  return load.exit_code();
}

}  // namespace
}  // namespace rig::guest

int main(int argc, char** argv) {
  const auto options = rig::guest::parse_options(argc, argv);
  if (!options) {
    std::fputs(
        "usage: provoke [--seconds N] [--times N] [--set PATH=VALUE]... [--says TEXT] [TRIGGER]\n",
        stderr);
    return 2;
  }
  return rig::guest::run(*options);
}
