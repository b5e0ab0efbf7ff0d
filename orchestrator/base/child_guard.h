// SPDX-License-Identifier: Apache-2.0
// An initialiser for Boost.Process v2: the child dies with us, whatever kills us, and leads a
// process group of its own, so that a terminal's Ctrl-C reaches us only and we end it in order.
// The kernel sends the signal when the *thread* that forked ends: keep that thread alive. It gets
// nothing else of ours: no descriptors but those named, no ignored signals, the usual umask.
#pragma once

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/process/v2/error.hpp>
#include <boost/process/v2/posix/default_launcher.hpp>
#include <optional>
#include <vector>

#include "base/confinement.h"

namespace rig {

struct ChildGuard {
  std::vector<int> inherit = {};  // descriptors that stay open in the child, beside 0, 1 and 2
  std::optional<Confinement> confinement = {};
  pid_t parent = ::getpid();

  template <typename Launcher, typename Path>
  boost::process::v2::error_code on_setup(Launcher& launcher, const Path&, const char* const*&) {
    launcher.fd_whitelist.insert(launcher.fd_whitelist.end(), inherit.begin(), inherit.end());
    return {};
  }

  // Runs in the child between fork and exec: async-signal-safe calls only.
  template <typename Launcher, typename Path>
  boost::process::v2::error_code on_exec_setup(Launcher&, const Path&, const char* const*&) {
    reset_signals();
    ::umask(022);  // libarchive sets it to 0 for a moment, in whatever thread unpacks
    ::setpgid(0, 0);
    // Boost closes only what is above the highest of `inherit`; the rest goes with the exec.
    ::syscall(SYS_close_range, 3u, ~0u, kCloseOnExec);
    for (const int fd : inherit) ::fcntl(fd, F_SETFD, 0);  // opened with O_CLOEXEC, as all of ours
    if (confinement) confine(*confinement);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);       // after confine(): another account would clear it
    if (::getppid() != parent) ::_exit(127);  // we died before the line above took effect
    return {};
  }

  // In the child still: Boost would go through exit(), and flush what our buffers hold twice.
  template <typename... Anything>
  void on_exec_error(Anything&&...) {
    ::_exit(127);
  }

 private:
  static void limit(int resource, rlim_t value) {
    const rlimit limits{.rlim_cur = value, .rlim_max = value};
    ::setrlimit(resource, &limits);
  }

  static void confine(const Confinement& what) {
    limit(RLIMIT_CORE, 0);
    if (what.address_space != 0) limit(RLIMIT_AS, what.address_space);
    if (what.file_size != 0) limit(RLIMIT_FSIZE, what.file_size);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!what.account) return;
    const gid_t groups[] = {what.device_group.value_or(what.account->group)};
    // Groups first: only root may change them.
    if (::setgroups(1, groups) != 0 || ::setgid(what.account->group) != 0) return;
    [[maybe_unused]] const int refused = ::setuid(what.account->user);
  }

  static constexpr unsigned kCloseOnExec = 1u << 2;  // CLOSE_RANGE_CLOEXEC, Linux 5.11

  static void reset_signals() {
    struct sigaction action {};
    for (int number = 1; number < NSIG; ++number) {
      if (::sigaction(number, nullptr, &action) != 0 || action.sa_handler != SIG_IGN) continue;
      action = {};
      action.sa_handler = SIG_DFL;
      ::sigaction(number, &action, nullptr);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
  }
};

}  // namespace rig
