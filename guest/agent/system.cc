// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/system.h"

#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "guest/agent/cpuid.h"
#include "guest/agent/crash_kernel.h"
#include "guest/agent/files.h"
#include "guest/agent/report.h"
#include "guest/agent/unique_fd.h"

namespace rig::guest {
namespace {

struct Mount {
  const char* type;
  const char* path;
  bool required;
};

// In order: later ones lie inside earlier ones.
constexpr Mount kMounts[] = {
    {"proc", "/proc", true},
    {"sysfs", "/sys", true},
    {"devtmpfs", "/dev", true},
    {"tmpfs", "/tmp", true},
    {"tmpfs", "/run", true},
    {"debugfs", "/sys/kernel/debug", false},
    {"tracefs", "/sys/kernel/tracing", false},
};

std::string mount_all() {
  std::string problems;
  for (const Mount& entry : kMounts) {
    mkdir(entry.path, 0755);
    if (mount(entry.type, entry.path, entry.type, MS_NOSUID, nullptr) == 0) continue;
    // EBUSY: the kernel did it (CONFIG_DEVTMPFS_MOUNT).
    if (errno == EBUSY || !entry.required) continue;
    problems += failure(errno, "mount", entry.path).what + "; ";
  }
  return problems;
}

// The kernel gives /init no descriptors when the initramfs has no /dev/console.
void open_console() {
  const int fd = open("/dev/console", O_RDWR | O_NOCTTY);
  if (fd < 0) return;
  for (int target = 0; target <= 2; ++target) {
    if (fd != target) dup2(fd, target);
  }
  if (fd > 2) close(fd);
}

Done bring_up_loopback() {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return failure(errno, "socket", "AF_INET");
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  if (ioctl(fd.get(), SIOCGIFFLAGS, &request) != 0) return failure(errno, "SIOCGIFFLAGS", "lo");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (ioctl(fd.get(), SIOCSIFFLAGS, &request) != 0) return failure(errno, "SIOCSIFFLAGS", "lo");
  return {};
}

void log_failure(const Done& done) {
  if (failed(done)) log(done.what);
}

}  // namespace

void log(std::string_view line) {
  std::string text = "crashrig-agent: ";
  text.append(line).append("\n");
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
}

void prepare_system() {
  umask(022);
  const std::string problems = mount_all();
  open_console();
  if (!problems.empty()) log(problems);
  log_failure(write_knob("/proc/self/oom_score_adj", "-1000"));
  log_failure(bring_up_loopback());
  mkdir("/run/crashrig", 0755);
  log_failure(write_cpuid());
  setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
  setenv("HOME", "/tmp", 1);
}

std::uint64_t boot_time_ns() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

Hello describe_system(const std::vector<std::string>& module_errors) {
  utsname names{};
  uname(&names);
  struct sysinfo memory {};
  sysinfo(&memory);
  std::string cmdline;
  log_failure(read_small_file("/proc/cmdline", cmdline));
  if (cmdline.ends_with('\n')) cmdline.pop_back();

  Hello hello;
  hello.release = names.release;
  hello.version = names.version;
  hello.machine = names.machine;
  hello.cmdline = std::move(cmdline);
  hello.boot_ns = boot_time_ns();
  hello.cpus = static_cast<std::uint64_t>(get_nprocs());
  hello.memory_bytes = std::uint64_t{memory.totalram} * memory.mem_unit;
  hello.module_errors = module_errors;
  hello.capture = in_capture_kernel() ? 1 : 0;
  return hello;
}

Done power_off() {
  sync();
  reboot(RB_POWER_OFF);
  return failure(errno, "reboot", "RB_POWER_OFF");
}

}  // namespace rig::guest
