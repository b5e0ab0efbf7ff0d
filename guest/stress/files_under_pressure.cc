// SPDX-License-Identifier: Apache-2.0
//
// files_under_pressure [--seconds N] [--rounds N] [--files N] [--seed N] [--disk PATH]
// [--options TEXT] [--events PATH] [--shrink CACHE] [--stay N] [--left PERCENT]: on an ext4 disk,
// round by round, files are created, written, read back, verified and deleted; then memory is taken
// until so much of it is left (5) and the kernel reclaims, and given back. Exit code: 0 all data
// was right, 1 it was not or the file system failed, 2 usage, 3 the load could not be set up.
#include <fcntl.h>
#include <linux/membarrier.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "guest/stress/file_load.h"
#include "guest/stress/load.h"
#include "guest/stress/memory_load.h"
#include "guest/stress/options.h"

namespace rig::guest {
namespace {

constexpr char kFolder[] = "/tmp/files";
constexpr std::size_t kReuse = std::size_t{512} << 10;  // what was given back has new owners then

struct Settings {
  std::uint64_t seconds = 10;
  std::uint64_t rounds = 0;  // 0: as many as there is time for
  std::uint64_t files = 1000;
  std::uint64_t seed = 1;
  std::uint64_t left = 5;  // percent of memory, while it is short
  std::uint64_t stay = 0;  // one of so many files stays open, and is deleted after the others
  std::string disk = "/dev/vda";
  std::string mount_options;
  std::string events;  // a file that tells of deletions; empty: nobody asks
  std::string shrink;  // a slab cache whose free slabs are given back when memory is short
};

// Reads all that there is to read, as whoever is told about deletions does.
bool drain(Load& load, const std::string& path) {
  if (path.empty()) return true;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return load.fail_setup(path.c_str(), errno), false;
  char line[64];
  ssize_t got = 0;
  while ((got = read(fd, line, sizeof(line))) > 0 && !load.stopping()) load.count_work(1);
  const int error = errno;
  close(fd);
  if (got < 0) return load.fail(path.c_str(), error), false;
  return true;
}

bool write_text(Load& load, const std::string& path, std::string_view text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  const bool done =
      fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  if (fd >= 0) close(fd);
  if (!done) load.fail_setup(path.c_str(), error);
  return done;
}

// As administrators do when memory is short: what the shrinkers have left, then the cache's slabs
// that are free by that.
bool shrink(Load& load, const std::string& cache) {
  if (!write_text(load, "/proc/sys/vm/drop_caches", "2\n")) return false;
  return cache.empty() || write_text(load, "/sys/kernel/slab/" + cache + "/shrink", "1\n");
}

// Until whatever the kernel has put off until now (RCU) may be done.
void wait_for_readers() {
  syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

// Memory gets short while the deleted files' inodes are still unread news, and stays short while
// they are read.
bool press(Load& load, const Settings& settings) {
  MemoryHog hog(load);
  if (!hog.take_all_but(static_cast<unsigned>(settings.left))) return false;
  if (!shrink(load, settings.shrink) || !hog.take(kReuse)) return false;
  if (!drain(load, settings.events)) return false;
  wait_for_readers();
  return true;
}

// Without swap kswapd has little to give: it starts a little earlier than it would, so that memory
// is short and nobody is killed for it.
bool set_watermarks(Load& load) {
  return write_text(load, "/proc/sys/vm/watermark_scale_factor", "100\n");  // 1 %; default 0.1 %
}

bool mount_disk(Load& load, const Settings& settings) {
  mkdir("/tmp", 0755);
  mkdir(kFolder, 0755);
  if (mount(settings.disk.c_str(), kFolder, "ext4", 0, settings.mount_options.c_str()) == 0) {
    return true;
  }
  load.fail_setup(("mount " + settings.disk).c_str(), errno);
  return false;
}

int run(const Settings& settings) {
  Load load("files_under_pressure");
  if (!set_watermarks(load) || !mount_disk(load, settings)) return load.exit_code();
  std::printf("files_under_pressure: %" PRIu64 " s, %" PRIu64 " files, seed %" PRIu64
              ", on %s (%s)\n",
              settings.seconds, settings.files, settings.seed, settings.disk.c_str(),
              settings.mount_options.empty() ? "no options" : settings.mount_options.c_str());
  std::fflush(stdout);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(settings.seconds);
  FileWorker files(load, kFolder, settings.seed, settings.stay);
  unsigned long round = 0;
  while (std::chrono::steady_clock::now() < end &&
         (settings.rounds == 0 || round < settings.rounds)) {
    const bool done = files.create(++round, static_cast<unsigned>(settings.files)) &&
                      files.verify() && files.remove();
    wait_for_readers();
    if (!done || !press(load, settings)) break;
    if (!files.verify() || !files.remove_rest() || !drain(load, settings.events)) break;
    std::printf("files_under_pressure: %lu rounds, %" PRIu64 " files written, %" PRIu64 " read\n",
                round, load.counters().writes.load(), load.counters().reads.load());
    std::fflush(stdout);
  }
  if (load.exit_code() == 0 && umount(kFolder) != 0) load.fail("unmount", errno);
  return load.exit_code();
}

}  // namespace
}  // namespace rig::guest

int main(int argc, char** argv) {
  rig::guest::Settings settings;
  rig::guest::Options options("files_under_pressure");
  options.number("--seconds", settings.seconds);
  options.number("--rounds", settings.rounds);
  options.number("--files", settings.files);
  options.number("--seed", settings.seed);
  options.text("--disk", "PATH", settings.disk);
  options.text("--options", "TEXT", settings.mount_options);
  options.text("--events", "PATH", settings.events);
  options.text("--shrink", "CACHE", settings.shrink);
  options.number("--stay", settings.stay);
  options.number("--left", settings.left, 1, 90);
  return options.parse(argc, argv) ? rig::guest::run(settings) : rig::guest::Options::kUsage;
}
