// SPDX-License-Identifier: Apache-2.0
//
// page_reads [--seconds N | --work N] [--seed N] [--workers N] [--past-reseed]: reads whole files
// out of the page cache, one after another, and checks what it gets. The files lie in a ramfs of
// the program's own: they are nowhere but in the page cache. Exit code: 0 all data was right, 1 it
// was not, 2 usage, 3 the load could not be set up: no ramfs, no memory.
//
// --past-reseed: longer, if need be, than the seconds and the work (both), until the kernel's
// random number generator has been due for a new key. In the first two minutes it is when half of
// the time since boot has passed since the last one (crng_reseed_interval()), so that it takes the
// longer the slower the machine has booted. With its work done the load only keeps reading until
// then, so that it has done much the same on a slow machine as on a quick one.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "guest/stress/load.h"
#include "guest/stress/options.h"

namespace rig::guest {
namespace {

constexpr char kFolder[] = "/tmp/page_reads.files";
constexpr std::uint64_t kFiles = 16;
constexpr std::size_t kPageSize = 4096;
constexpr std::uint64_t kFilePages = 512;
constexpr std::uint64_t kMostWorkers = 64;
constexpr std::size_t kChunkPages = 16;                  // of one read()
constexpr auto kBreath = std::chrono::milliseconds(50);  // between chunks once the work is done

using Chunk = std::array<std::uint64_t, kChunkPages * kPageSize / sizeof(std::uint64_t)>;

struct Settings {
  Length length;
  std::uint64_t seed = 1;
  std::uint64_t workers = 2;
  bool past_reseed = false;
};

std::string path_of(std::uint64_t file) {
  return std::string(kFolder) + "/" + std::to_string(file);
}

// What a chunk of a file holds: no two words of all files are the same.
void fill(Chunk& chunk, std::uint64_t seed, std::uint64_t file, std::uint64_t first_page) {
  std::uint64_t word =
      (seed << 32) + (file * kFilePages + first_page) * (kPageSize / sizeof(std::uint64_t));
  for (std::uint64_t& value : chunk) value = word++;
}

// A mount of our own, with the files in it.
bool make_files(Load& load, std::uint64_t seed) {
  if (mkdir(kFolder, 0755) != 0 && errno != EEXIST) {
    return load.fail_setup("make a folder", errno), false;
  }
  if (mount("none", kFolder, "ramfs", 0, nullptr) != 0) {
    return load.fail_setup("mount a ramfs", errno), false;
  }
  auto chunk = std::make_unique<Chunk>();
  for (std::uint64_t file = 0; file < kFiles; ++file) {
    const int fd = open(path_of(file).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return load.fail_setup("make a file", errno), false;
    for (std::uint64_t page = 0; page < kFilePages; page += kChunkPages) {
      fill(*chunk, seed, file, page);
      if (write(fd, chunk->data(), sizeof(Chunk)) != static_cast<ssize_t>(sizeof(Chunk))) {
        load.fail_setup("write a file", errno);
        close(fd);
        return false;
      }
    }
    close(fd);
  }
  return true;
}

bool only_waits(Load& load, const Settings& settings) {
  const std::uint64_t asked = settings.length.work;
  return settings.past_reseed && asked != 0 && load.counters().reads >= asked;
}

// Reads one file from its beginning to its end.
bool read_file(Load& load, const Settings& settings, std::uint64_t file, Chunk& got,
               Chunk& wanted) {
  const int fd = open(path_of(file).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return load.fail("open a file", errno), false;
  for (std::uint64_t page = 0; page < kFilePages && !load.stopping(); page += kChunkPages) {
    fill(wanted, settings.seed, file, page);
    const ssize_t size = read(fd, got.data(), sizeof(Chunk));
    if (size != static_cast<ssize_t>(sizeof(Chunk)) || got != wanted) {
      load.fail("a file reads as it was not written", size < 0 ? errno : 0);
      break;
    }
    load.counters().reads.fetch_add(kChunkPages);
    load.count_work(kChunkPages);
    if (only_waits(load, settings)) std::this_thread::sleep_for(kBreath);
  }
  close(fd);
  return !load.stopping();
}

void work(Load& load, const Settings& settings, unsigned long worker) {
  auto got = std::make_unique<Chunk>();
  auto wanted = std::make_unique<Chunk>();
  Random random(settings.seed * 64 + worker);
  while (read_file(load, settings, random.below(kFiles), *got, *wanted)) {
  }
}

// The key that was new a moment ago is due when the machine has been up for twice as long as now,
// and the one second that the kernel's whole numbers may be off.
void wait_past_reseed(Load& load, const Length& least) {
  const auto now = Load::Clock::now();
  const Load::Clock::duration uptime = now.time_since_epoch();  // Linux counts it from the boot
  const Load::Clock::duration asked = std::chrono::seconds(least.seconds);
  bool going_on = load.wait_until(now + std::max(asked, uptime + std::chrono::seconds(2)));
  while (going_on && load.counters().reads < least.work) {
    going_on = load.wait_until(Load::Clock::now() + std::chrono::milliseconds(5));
  }
  load.stop();
}

int run(const Settings& settings) {
  Load load("page_reads");
  if (!make_files(load, settings.seed)) return load.exit_code();
  if (!settings.past_reseed) load.begin(settings.length);
  std::printf("page_reads: %s, seed %" PRIu64 "\n", settings.length.text().c_str(), settings.seed);
  std::fflush(stdout);
  std::vector<std::thread> threads;
  for (unsigned long i = 0; i < settings.workers; ++i) {
    threads.emplace_back([&load, &settings, i] { work(load, settings, i); });
  }
  settings.past_reseed ? wait_past_reseed(load, settings.length) : load.wait();
  for (std::thread& thread : threads) thread.join();
  std::printf("page_reads: %s: %" PRIu64 " pages read\n", load.exit_code() == 0 ? "done" : "failed",
              load.counters().reads.load());
  return load.exit_code();
}

}  // namespace
}  // namespace rig::guest

int main(int argc, char** argv) {
  rig::guest::Settings settings;
  rig::guest::Options options("page_reads");
  settings.length.declare(options);
  options.number("--seed", settings.seed);
  options.number("--workers", settings.workers, 1, rig::guest::kMostWorkers);
  options.flag("--past-reseed", settings.past_reseed);
  return options.parse(argc, argv) ? rig::guest::run(settings) : rig::guest::Options::kUsage;
}
