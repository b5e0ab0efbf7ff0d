// SPDX-License-Identifier: Apache-2.0
//
// io_and_net [--seconds N] [--disk PATH] [--disk-only | --net-only]: direct I/O on a disk and,
// beside it, packets whose heads come from the same 1024-byte kmalloc objects. Exit code: 0 all
// data was right, 1 it was not or a disk that worked failed, 2 usage, 3 the load could not be set
// up: no disk.
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
  std::string disk;        // empty: the first of kVendor
  bool net_only = false;   // the packets alone, on any guest
  bool disk_only = false;  // the disk alone
};

std::optional<Options> parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const bool has_value = i + 1 < argc;
    if (std::strcmp(argv[i], "--net-only") == 0) {
      options.net_only = true;
    } else if (std::strcmp(argv[i], "--disk-only") == 0) {
      options.disk_only = true;
    } else if (std::strcmp(argv[i], "--seconds") == 0 && has_value) {
      char* end = nullptr;
      options.seconds = static_cast<unsigned>(std::strtoul(argv[++i], &end, 10));
      if (*end != '\0' || options.seconds == 0) return std::nullopt;
    } else if (std::strcmp(argv[i], "--disk") == 0 && has_value) {
      options.disk = argv[++i];
    } else {
      return std::nullopt;
    }
  }
  if (options.net_only && (options.disk_only || !options.disk.empty())) return std::nullopt;
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

// The disk to use: empty with --net-only, nothing when there is none.
std::optional<std::string> choose_disk(const Options& options) {
  if (options.net_only || !options.disk.empty()) return options.disk;
  std::string disk = wait_for_disk(kVendor, kDiskTimeout);
  if (!disk.empty()) return disk;
  std::fprintf(stderr,
               "io_and_net: no disk of vendor %s appeared; --disk PATH names one, --net-only does "
               "without\n",
               kVendor);
  return std::nullopt;
}

int run(const Options& options) {
  const auto disk = choose_disk(options);
  if (!disk) return Load::kNotSetUp;
  std::printf("io_and_net: %u s on %s\n", options.seconds,
              disk->empty() ? "the network alone" : disk->c_str());
  std::fflush(stdout);

  Load load("io_and_net");
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kDiskWorkers && !disk->empty(); ++i) {
    threads.emplace_back([&load, &disk, i] { DiskWorker(load, *disk, i, kDiskWorkers).run(); });
  }
  if (!options.disk_only) threads.emplace_back([&load] { NetWorker(load).run(); });
  watch(load, options.seconds);
  for (std::thread& thread : threads) thread.join();
  print_counters(load.exit_code() == 0 ? "done" : "failed", load.counters());
  return load.exit_code();
}

}  // namespace
}  // namespace rig::guest

int main(int argc, char** argv) {
  const auto options = rig::guest::parse_options(argc, argv);
  if (!options) {
    std::fprintf(stderr,
                 "usage: io_and_net [--seconds N] [--disk PATH] [--disk-only | --net-only]\n");
    return 2;
  }
  return rig::guest::run(*options);
}
