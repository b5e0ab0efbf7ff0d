// SPDX-License-Identifier: Apache-2.0
//
// read_file [--seconds N | --work N] [--pause MS] [--set PATH=VALUE]... PATH: opens and reads PATH
// again and again, with a pause in between; each time is a unit of work. With --set knobs of the
// kernel are written first. Exit code: 0; 1 a read failed that had worked
// before, 2 usage, 3 it could not be read at all.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>

#include "guest/stress/load.h"
#include "guest/stress/options.h"
#include "guest/stress/settings.h"

namespace rig::guest {
namespace {

struct Settings {
  Length length;
  std::uint64_t pause_ms = 10;
  KernelSettings before;
  std::string path;
};

// 0 or errno.
int read_whole(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
  }
  const int error = got < 0 ? errno : 0;
  close(fd);
  return error;
}

int run(const Settings& settings) {
  Load load("read_file");
  if (!settings.before.apply(load)) return load.exit_code();
  if (const int error = read_whole(settings.path)) {
    return load.fail_setup(settings.path.c_str(), error), load.exit_code();
  }
  load.begin(settings.length);
  while (!load.over()) {
    if (const int error = read_whole(settings.path)) {
      load.fail(settings.path.c_str(), error);
    } else {
      load.count_work(1);
    }
    load.wait_until(Load::Clock::now() + std::chrono::milliseconds(settings.pause_ms));
  }
  return load.exit_code();
}

}  // namespace
}  // namespace rig::guest

int main(int argc, char** argv) {
  rig::guest::Settings settings;
  rig::guest::Options options("read_file");
  settings.length.declare(options);
  options.number("--pause", settings.pause_ms, 1, 60'000);
  settings.before.declare(options);
  options.argument("PATH", settings.path);
  if (!options.parse(argc, argv)) return rig::guest::Options::kUsage;
  if (const auto problem = settings.before.problem(); !problem.empty()) {
    return options.refuse(problem);
  }
  if (settings.path.empty()) return options.refuse("name the file that is to be read");
  return rig::guest::run(settings);
}
