// SPDX-License-Identifier: Apache-2.0
#include "vm/qemu/live_guardian.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

namespace rig::vm::qemu {
namespace {

constexpr std::string_view kContinue = "{\"execute\": \"cont\"}\n";
constexpr int kPatienceMs = 2000;

// After fork() in a program with threads: system calls only. Never returns.
[[noreturn]] void guard(int qmp, int life) {
  ::setsid();  // a terminal's Ctrl-C is not meant for us
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  // Whatever else is open is not ours to keep open.
  ::dup2(life, 0);
  ::dup2(qmp, 1);
  ::close_range(2, ~0u, 0);
  char byte = 0;
  ssize_t got = 0;
  while ((got = ::read(0, &byte, 1)) < 0 && errno == EINTR) continue;
  if (got == 1) ::_exit(0);  // dismissed
  // What QEMU has said so far is of no interest, only its answer is.
  char said[512];
  while (::recv(1, said, sizeof said, MSG_DONTWAIT) > 0) continue;
  pollfd writable{1, POLLOUT, 0};
  if (::poll(&writable, 1, kPatienceMs) == 1) {
    (void)!::send(1, kContinue.data(), kContinue.size(), MSG_NOSIGNAL);
  }
  // QEMU drops what a client asked for that is gone: stay until it answers.
  pollfd readable{1, POLLIN, 0};
  (void)::poll(&readable, 1, kPatienceMs);
  ::_exit(0);
}

}  // namespace

Result<LiveGuardian> LiveGuardian::start(int qmp) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "cannot create a pipe");
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  // Above what guard() puts in their places.
  const UniqueFd life(::fcntl(reading.get(), F_DUPFD_CLOEXEC, 3));
  const UniqueFd monitor(::fcntl(qmp, F_DUPFD_CLOEXEC, 3));
  if (!life || !monitor) return fail_errno(errno, "cannot duplicate a descriptor");
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "cannot start a process");
  if (pid == 0) guard(monitor.get(), life.get());
  return LiveGuardian(pid, std::move(writing));
}

LiveGuardian::LiveGuardian(LiveGuardian&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), life_(std::move(other.life_)) {}

LiveGuardian::~LiveGuardian() {
  if (pid_ < 0) return;
  if (::write(life_.get(), "x", 1) != 1) ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
}

}  // namespace rig::vm::qemu
