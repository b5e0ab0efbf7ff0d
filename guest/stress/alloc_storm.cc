// SPDX-License-Identifier: Apache-2.0
//
// alloc_storm [--seconds N] [--seed N] [--workers N]: keeps the kernel's allocator busy on all
// CPUs, with objects of as many caches as can be had. Exit code: 0 all data was right, 1 it was
// not, 2 usage.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "guest/stress/storm_ops.h"

namespace rig::guest {
namespace {

struct Options {
  unsigned long seconds = 10;
  unsigned long seed = 1;
  unsigned long workers = 6;
};

std::optional<Options> parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) return std::nullopt;
    unsigned long* const value = std::strcmp(argv[i], "--seconds") == 0   ? &options.seconds
                                 : std::strcmp(argv[i], "--seed") == 0    ? &options.seed
                                 : std::strcmp(argv[i], "--workers") == 0 ? &options.workers
                                                                          : nullptr;
    char* end = nullptr;
    if (value == nullptr) return std::nullopt;
    *value = std::strtoul(argv[i + 1], &end, 10);
    if (*end != '\0' || *value == 0) return std::nullopt;
  }
  return options;
}

int run(const Options& options, const char* program) {
  constexpr unsigned long kMostWorkers = 64;
  Load load("alloc_storm");
  std::vector<StormWorker> workers;
  for (unsigned long i = 0; i < options.workers && i < kMostWorkers; ++i) {
    workers.emplace_back(load, program, "/tmp/storm-" + std::to_string(i),
                         options.seed * kMostWorkers + i);
  }
  std::vector<std::thread> threads;
  for (StormWorker& worker : workers) threads.emplace_back([&worker] { worker.run(); });
  std::printf("alloc_storm: %lu s, seed %lu\n", options.seconds, options.seed);
  std::fflush(stdout);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(options.seconds);
  while (!load.stopping() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  load.stop();
  for (std::thread& thread : threads) thread.join();
  return load.exit_code();
}

}  // namespace
}  // namespace rig::guest

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], rig::guest::StormWorker::kChildArgument) == 0) return 0;
  const auto options = rig::guest::parse_options(argc, argv);
  if (!options) {
    std::fputs("usage: alloc_storm [--seconds N] [--seed N] [--workers N]\n", stderr);
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  return rig::guest::run(*options, argv[0]);
}
