// SPDX-License-Identifier: Apache-2.0
//
// io_and_net [--seconds N | --work N] [--disk PATH | --vendor NAME] [--disk-only | --net-only]:
// direct I/O on a disk and, beside it, packets whose heads come from the same 1024-byte kmalloc
// objects. Exit code: 0 all data was right, 1 it was not or a disk that worked failed, 2 usage, 3
// the load could not be set up: no disk.
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
#include "guest/stress/options.h"

namespace rig::guest {
namespace {

constexpr unsigned kDiskWorkers = 8;
constexpr std::chrono::seconds kDiskTimeout{15};

struct Settings {
  Length length;
  std::string disk;                 // empty: the first of the vendor
  std::string vendor = "CRASHRIG";  // of guest/modules/late_completion's disk
  bool net_only = false;            // the packets alone, on any guest
  bool disk_only = false;           // the disk alone
};

void print_counters(const char* when, Counters& counters) {
  std::printf("io_and_net: %s: %" PRIu64 " reads, %" PRIu64 " writes, %" PRIu64
              " datagrams sent, %" PRIu64 " received, %" PRIu64 " lost\n",
              when, counters.reads.load(), counters.writes.load(), counters.sent.load(),
              counters.received.load(), counters.lost.load());
  std::fflush(stdout);
}

// Until the run is over or something failed, with a line each second.
void watch(Load& load) {
  const auto start = Load::Clock::now();
  for (unsigned second = 1; !load.over(); ++second) {
    if (!load.wait_until(start + std::chrono::seconds(second))) break;
    print_counters((std::to_string(second) + " s").c_str(), load.counters());
  }
  load.stop();
}

// The disk to use: empty with --net-only, nothing when there is none.
std::optional<std::string> choose_disk(const Settings& settings) {
  if (settings.net_only || !settings.disk.empty()) return settings.disk;
  std::string disk = wait_for_disk(settings.vendor, kDiskTimeout);
  if (!disk.empty()) return disk;
  std::fprintf(stderr,
               "io_and_net: no disk of vendor %s appeared; --disk PATH names one, --net-only does "
               "without\n",
               settings.vendor.c_str());
  return std::nullopt;
}

int run(const Settings& settings) {
  const auto disk = choose_disk(settings);
  if (!disk) return Load::kNotSetUp;
  std::printf("io_and_net: %s on %s\n", settings.length.text().c_str(),
              disk->empty() ? "the network alone" : disk->c_str());
  std::fflush(stdout);

  Load load("io_and_net");
  load.begin(settings.length);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kDiskWorkers && !disk->empty(); ++i) {
    threads.emplace_back([&load, &disk, i] { DiskWorker(load, *disk, i, kDiskWorkers).run(); });
  }
  if (!settings.disk_only) threads.emplace_back([&load] { NetWorker(load).run(); });
  watch(load);
  for (std::thread& thread : threads) thread.join();
  print_counters(load.exit_code() == 0 ? "done" : "failed", load.counters());
  return load.exit_code();
}

}  // namespace
}  // namespace rig::guest

int main(int argc, char** argv) {
  rig::guest::Settings settings;
  rig::guest::Options options("io_and_net");
  settings.length.declare(options);
  options.text("--disk", "PATH", settings.disk);
  options.text("--vendor", "NAME", settings.vendor);
  options.flag("--disk-only", settings.disk_only);
  options.flag("--net-only", settings.net_only);
  if (!options.parse(argc, argv)) return rig::guest::Options::kUsage;
  if (settings.net_only && (settings.disk_only || !settings.disk.empty())) {
    return options.refuse("--net-only excludes a disk");
  }
  return rig::guest::run(settings);
}
