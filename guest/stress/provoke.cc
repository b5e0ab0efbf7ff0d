// SPDX-License-Identifier: Apache-2.0
//
// provoke [--seconds N] [--times N] [--set PATH=VALUE]... [--says TEXT]... [TRIGGER]: has the
// kernel crash itself, by its own module for that: TRIGGER, one of those that
// /sys/kernel/debug/provoke-crash/DIRECT lists (LKDTM), is written to that file, N times (1) after
// another. What --set names, sysctls say, is written before.
//
// With --says the kernel's log must come to have one TEXT in one of its lines within N seconds;
// without a trigger the lines of the whole log count, with one those since it was written. Without
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
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guest/stress/load.h"
#include "guest/stress/options.h"
#include "guest/stress/settings.h"

namespace rig::guest {
namespace {

constexpr char kDebugfs[] = "/sys/kernel/debug";
constexpr char kDirect[] = "/sys/kernel/debug/provoke-crash/DIRECT";
constexpr std::size_t kListSize = 8192;    // the kernel's own list is at most a page
constexpr std::size_t kRecordSize = 8192;  // of /dev/kmsg, at most (kernel/printk/printk.c)

struct Settings {
  std::uint64_t seconds = 10;
  std::uint64_t times = 1;
  KernelSettings before;  // written before the trigger
  std::vector<std::string> says;
  std::string trigger;
};

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

  // Until a line has one of `texts` or the time is over. What goes by is printed.
  bool wait_for(const std::vector<std::string>& texts, Load::Clock::time_point end) {
    while (Load::Clock::now() < end) {
      const auto line = next();
      if (!line) {
        pollfd wanted{.fd = fd_, .events = POLLIN, .revents = 0};
        poll(&wanted, 1, 100);
        continue;
      }
      if (line->starts_with("lkdtm: ")) std::printf("%s\n", line->c_str());
      if (std::any_of(texts.begin(), texts.end(),
                      [&](const auto& text) { return line->find(text) != std::string::npos; })) {
        return true;
      }
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

int run(const Settings& settings) {
  Load load("provoke");
  const bool has_trigger = !settings.trigger.empty();
  if (!settings.before.apply(load)) return load.exit_code();
  if (has_trigger && !find_trigger(load, settings.trigger)) return load.exit_code();
  KernelLog kernel_log(has_trigger);
  if (!kernel_log.is_open()) return load.fail_setup("/dev/kmsg", errno), load.exit_code();
  // The host has these lines before the kernel does what it is asked for.
  for (std::uint64_t i = 0; has_trigger && i < settings.times; ++i) {
    std::printf("provoke: %s\n", settings.trigger.c_str());
    std::fflush(stdout);
    load.count_work(1);
    const int error = write_once(kDirect, settings.trigger);
    if (error != 0) return load.fail_setup("the trigger was refused", error), load.exit_code();
  }
  const auto end = Load::Clock::now() + std::chrono::seconds(settings.seconds);
  if (!settings.says.empty() && !kernel_log.wait_for(settings.says, end)) {
    load.fail(("the kernel did not say '" + settings.says.front() + "'").c_str(), 0);
  }
  return load.exit_code();
}

}  // namespace
}  // namespace rig::guest

int main(int argc, char** argv) {
  using rig::guest::Options;
  rig::guest::Settings settings;
  Options options("provoke");
  options.number("--seconds", settings.seconds, 1, 86400);
  options.number("--times", settings.times);
  settings.before.declare(options);
  options.texts("--says", "TEXT", settings.says);
  options.argument("TRIGGER", settings.trigger);
  if (!options.parse(argc, argv)) return Options::kUsage;
  if (const auto problem = settings.before.problem(); !problem.empty()) {
    return options.refuse(problem);
  }
  if (settings.trigger.empty() && settings.says.empty()) {
    return options.refuse("there is nothing to do: name a TRIGGER, or what the kernel --says");
  }
  return rig::guest::run(settings);
}
