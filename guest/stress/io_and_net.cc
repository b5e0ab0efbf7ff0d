// SPDX-License-Identifier: Apache-2.0
//
// io_and_net [--seconds N] [--disk PATH]: direct I/O on a disk and, beside it, packets whose heads
// come from the same 1024-byte kmalloc objects. Exit code: 0 all data was right, 1 it was not, 2
// usage, 3 there is no disk.
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

#include "guest/stress/disk_load.h"
#include "guest/stress/load.h"
#include "guest/stress/net_load.h"

namespace rig::guest {
namespace {

constexpr unsigned kDiskWorkers = 8;
constexpr char kVendor[] = "CRASHRIG";  // of guest/modules/late_completion's disk
constexpr std::chrono::seconds kDiskTimeout{15};

struct Options {
  unsigned seconds = 10;
  std::string disk;  // empty: the first of kVendor
};

std::optional<Options> parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--seconds") == 0) {
      char* end = nullptr;
      options.seconds = static_cast<unsigned>(std::strtoul(argv[i + 1], &end, 10));
      if (*end != '\0' || options.seconds == 0) return std::nullopt;
    } else if (std::strcmp(argv[i], "--disk") == 0) {
      options.disk = argv[i + 1];
    } else {
      return std::nullopt;
    }
  }
  if (argc % 2 == 0) return std::nullopt;
  return options;
}

void print_counters(const char* when, Counters& counters) {
  std::printf("io_and_net: %s: %" PRIu64 " reads, %" PRIu64 " writes, %" PRIu64
              " datagrams sent, %" PRIu64 " received, %" PRIu64 " lost\n",
              when, counters.reads.load(), counters.writes.load(), counters.sent.load(),
              counters.received.load(), counters.lost.load());
  std::fflush(stdout);
}

// Until the time is over or something failed, with a line each second.
void watch(Load& load, unsigned seconds) {
  auto next = std::chrono::steady_clock::now();
  for (unsigned second = 1; second <= seconds && !load.stopping(); ++second) {
    next += std::chrono::seconds(1);
    std::this_thread::sleep_until(next);
    print_counters((std::to_string(second) + " s").c_str(), load.counters());
  }
  load.stop();
}

int run(const Options& options) {
  const std::string disk =
      options.disk.empty() ? wait_for_disk(kVendor, kDiskTimeout) : options.disk;
  if (disk.empty()) {
    std::fprintf(stderr, "io_and_net: no disk of vendor %s appeared\n", kVendor);
    return 3;
  }
  std::printf("io_and_net: %u s on %s\n", options.seconds, disk.c_str());
  std::fflush(stdout);

  Load load;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kDiskWorkers; ++i) {
    threads.emplace_back([&load, &disk, i] { DiskWorker(load, disk, i, kDiskWorkers).run(); });
  }
  threads.emplace_back([&load] { NetWorker(load).run(); });
  watch(load, options.seconds);
  for (std::thread& thread : threads) thread.join();
  print_counters(load.has_failed() ? "failed" : "done", load.counters());
  return load.has_failed() ? 1 : 0;
}

}  // namespace
}  // namespace rig::guest

int main(int argc, char** argv) {
  const auto options = rig::guest::parse_options(argc, argv);
  if (!options) {
    std::fprintf(stderr, "usage: io_and_net [--seconds N] [--disk PATH]\n");
    return 2;
  }
  return rig::guest::run(*options);
}
