// SPDX-License-Identifier: Apache-2.0
//
// alloc_storm [--seconds N | --work N] [--seed N] [--workers N]: keeps the kernel's allocator busy
// on all CPUs, with objects of as many caches as can be had. Exit code: 0 all data was right, 1 it
// was not, 2 usage.
#include <chrono>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "guest/stress/options.h"
#include "guest/stress/storm_ops.h"

namespace rig::guest {
namespace {

struct Settings {
  Length length;
  std::uint64_t seed = 1;
  std::uint64_t workers = 6;
};

constexpr std::uint64_t kMostWorkers = 64;

int run(const Settings& settings, const char* program) {
  Load load("alloc_storm");
  std::vector<StormWorker> workers;
  for (unsigned long i = 0; i < settings.workers; ++i) {
    workers.emplace_back(load, program, "/tmp/storm-" + std::to_string(i),
                         settings.seed * kMostWorkers + i);
  }
  load.begin(settings.length);
  std::vector<std::thread> threads;
  for (StormWorker& worker : workers) threads.emplace_back([&worker] { worker.run(); });
  std::printf("alloc_storm: %s, seed %" PRIu64 "\n", settings.length.text().c_str(), settings.seed);
  std::fflush(stdout);
  load.wait();
  for (std::thread& thread : threads) thread.join();
  return load.exit_code();
}

}  // namespace
}  // namespace rig::guest

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], rig::guest::StormWorker::kChildArgument) == 0) return 0;
  rig::guest::Settings settings;
  rig::guest::Options options("alloc_storm");
  settings.length.declare(options);
  options.number("--seed", settings.seed);
  options.number("--workers", settings.workers, 1, rig::guest::kMostWorkers);
  if (!options.parse(argc, argv)) return rig::guest::Options::kUsage;
  std::signal(SIGPIPE, SIG_IGN);
  return rig::guest::run(settings, argv[0]);
}
