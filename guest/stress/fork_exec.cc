// SPDX-License-Identifier: Apache-2.0
//
// fork_exec [--seconds N | --work N] [--seed N] [--workers N] [--rounds N]: processes made and
// ended, one after another by each worker. Every child writes over a part of the memory that it
// shares with its parent, by fork() alone or as a new program by exec, and sends back a number over
// all that it wrote, which the parent knows; the parent's own memory must stay as it is. --rounds:
// children of each worker, however long they take. Exit code: 0 all numbers were right, 1 one was
// not or a child ended otherwise, 2 usage, 3 there was no memory or process to be had.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "guest/stress/load.h"
#include "guest/stress/options.h"

namespace rig::guest {
namespace {

constexpr std::uint64_t kMostWorkers = 64;
constexpr std::size_t kPageWords = 4096 / sizeof(std::uint64_t);
constexpr std::uint64_t kPages = 64;  // of a worker
constexpr std::size_t kBytes = kPages * kPageWords * sizeof(std::uint64_t);
constexpr char kChild[] = "--child";  // SEED PAGES: this is the new program
constexpr char kOwnProgram[] = "/proc/self/exe";

struct Settings {
  Length length;
  std::uint64_t seed = 1;
  std::uint64_t workers = 2;
  std::uint64_t rounds = 0;  // 0: as many as there is time for
};

// What a child has to do.
struct Task {
  std::uint64_t seed;
  std::uint64_t pages;
  bool exec;
};

// Fills the pages with the seed's numbers; one number over all of them as they read afterwards.
std::uint64_t fill(std::uint64_t* memory, std::uint64_t seed, std::uint64_t pages) {
  Random random(seed);
  for (std::size_t i = 0; i < pages * kPageWords; ++i) memory[i] = random.next();
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < pages * kPageWords; ++i) sum = sum * 31 + memory[i];
  return sum;
}

bool send(int fd, std::uint64_t number) {
  return write(fd, &number, sizeof(number)) == static_cast<ssize_t>(sizeof(number));
}

// The new program: fork_exec --child SEED PAGES, which answers on stdout.
int run_child(const char* seed, const char* pages) {
  const std::uint64_t count = std::strtoull(pages, nullptr, 10);
  if (count == 0 || count > kPages) return Options::kUsage;
  const auto memory = std::make_unique<std::uint64_t[]>(count * kPageWords);
  const std::uint64_t sum = fill(memory.get(), std::strtoull(seed, nullptr, 10), count);
  return send(STDOUT_FILENO, sum) ? 0 : Load::kNotSetUp;
}

class Worker {
 public:
  Worker(Load& load, const Settings& settings, std::uint64_t number)
      : load_(load),
        settings_(settings),
        random_(settings.seed * kMostWorkers + number),
        memory_(std::make_unique<std::uint64_t[]>(kPages * kPageWords)),
        kept_(std::make_unique<std::uint64_t[]>(kPages * kPageWords)),
        scratch_(std::make_unique<std::uint64_t[]>(kPages * kPageWords)) {
    fill(memory_.get(), random_.next(), kPages);
    std::memcpy(kept_.get(), memory_.get(), kBytes);
  }

  void work() {
    for (std::uint64_t done = 0;
         !load_.stopping() && (settings_.rounds == 0 || done < settings_.rounds); ++done) {
      if (!run_once({random_.next(), 1 + random_.below(kPages), random_.below(2) == 0})) return;
      load_.count_work(1);
      children_.fetch_add(1);
    }
  }

  static std::uint64_t children() { return children_.load(); }

 private:
  bool run_once(const Task& task);
  [[noreturn]] void be_child(const Task& task, int answer);
  bool hear(int pipe, pid_t child, const Task& task);

  inline static std::atomic<std::uint64_t> children_{0};

  Load& load_;
  const Settings& settings_;
  Random random_;
  std::unique_ptr<std::uint64_t[]> memory_;   // shared with each child until it writes there
  std::unique_ptr<std::uint64_t[]> kept_;     // a copy, which no child touches
  std::unique_ptr<std::uint64_t[]> scratch_;  // what the child is to have
};

// Between fork() and exec in a program with threads nothing may allocate.
void Worker::be_child(const Task& task, int answer) {
  if (!task.exec) _exit(send(answer, fill(memory_.get(), task.seed, task.pages)) ? 0 : 1);
  char seed[24], pages[24];
  std::snprintf(seed, sizeof(seed), "%" PRIu64, task.seed);
  std::snprintf(pages, sizeof(pages), "%" PRIu64, task.pages);
  char name[] = "fork_exec", child[sizeof(kChild)];
  std::memcpy(child, kChild, sizeof(kChild));
  char* const arguments[] = {name, child, seed, pages, nullptr};
  char* const environment[] = {nullptr};
  if (dup2(answer, STDOUT_FILENO) >= 0) execve(kOwnProgram, arguments, environment);
  _exit(Load::kNotSetUp);
}

bool Worker::run_once(const Task& task) {
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC) != 0) return load_.fail_setup("make a pipe", errno), false;
  const pid_t child = fork();
  if (child == 0) be_child(task, pipe[1]);
  const int error = errno;
  close(pipe[1]);
  const bool ok = child > 0 && hear(pipe[0], child, task);
  close(pipe[0]);
  if (child < 0) load_.fail_setup("fork", error);
  return ok;
}

bool Worker::hear(int pipe, pid_t child, const Task& task) {
  std::uint64_t answer = 0;
  ssize_t size = 0;
  do {
    size = read(pipe, &answer, sizeof(answer));
  } while (size < 0 && errno == EINTR);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return load_.fail("wait for a child", errno), false;
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == Load::kNotSetUp) {
    return load_.fail_setup("a child could not begin", 0), false;
  }
  if (status != 0) return load_.fail("a child ended otherwise than it was told", 0), false;
  if (size != static_cast<ssize_t>(sizeof(answer)) ||
      answer != fill(scratch_.get(), task.seed, task.pages)) {
    return load_.fail("a child's memory was not what it wrote", 0), false;
  }
  if (std::memcmp(memory_.get(), kept_.get(), kBytes) != 0) {
    return load_.fail("what a child wrote is in its parent's memory", 0), false;
  }
  return true;
}

int run(const Settings& settings) {
  Load load("fork_exec");
  std::printf("fork_exec: %s, seed %" PRIu64 "\n", settings.length.text().c_str(), settings.seed);
  std::fflush(stdout);
  if (settings.rounds == 0) load.begin(settings.length);
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < settings.workers; ++i) {
    threads.emplace_back([&load, &settings, i] { Worker(load, settings, i).work(); });
  }
  if (settings.rounds == 0) load.wait();
  for (std::thread& thread : threads) thread.join();
  std::printf("fork_exec: %s: %" PRIu64 " children\n", load.exit_code() == 0 ? "done" : "failed",
              Worker::children());
  std::fflush(stdout);
  return load.exit_code();
}

}  // namespace
}  // namespace rig::guest

int main(int argc, char** argv) {
  using namespace rig::guest;
  if (argc == 4 && std::strcmp(argv[1], kChild) == 0) return run_child(argv[2], argv[3]);
  Settings settings;
  Options options("fork_exec");
  settings.length.declare(options);
  options.number("--seed", settings.seed, 0);
  options.number("--workers", settings.workers, 1, kMostWorkers);
  options.number("--rounds", settings.rounds);
  return options.parse(argc, argv) ? run(settings) : Options::kUsage;
}
