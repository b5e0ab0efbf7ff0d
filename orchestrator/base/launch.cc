// SPDX-License-Identifier: Apache-2.0
#include "base/launch.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/process/v2/environment.hpp>
#include <boost/process/v2/start_dir.hpp>
#include <boost/process/v2/stdio.hpp>
#include <cerrno>
#include <mutex>
#include <unordered_map>

#include "base/child_guard.h"

namespace rig {
namespace process = boost::process::v2;
using boost::system::error_code;

namespace {

std::unordered_map<std::string, std::string> environment_with(const Command& command) {
  std::unordered_map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string_view::npos)
      all.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  for (const auto& [name, value] : command.environment) all[name] = value;
  return all;
}

// What Boost threw once the program was forked: it never got a process object that would end it.
error_code abandon(pid_t child, error_code thrown) {
  ::kill(child, SIGKILL);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  // Boost does not look at what pidfd_open said and registers descriptor -1.
  const bool no_pidfd = thrown.value() == EBADF;
  return no_pidfd ? error_code(EMFILE, boost::system::system_category()) : thrown;
}

}  // namespace

Result<process::process> launch(boost::asio::io_context& loop, const Command& command,
                                ChildFiles files, std::optional<Confinement> confinement) {
  // Boost 1.81 makes its error pipe with plain pipe(). Another thread's child that gets a copy
  // keeps it open, and then the launch that waits for its end never returns.
  static std::mutex one_at_a_time;
  RIG_ASSIGN(const fs::path program, find_program(command.program, {}));
  const UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!nothing) return fail_errno(errno, "cannot open /dev/null");
  const auto environment = environment_with(command);
  const pid_t self = ::getpid();
  process::posix::default_launcher launcher;
  error_code error;
  const std::lock_guard lock(one_at_a_time);
  try {
    auto child = launcher(
        loop.get_executor(), error, boost::filesystem::path(program.string()), command.args,
        process::process_stdio{nothing.get(), files.out, files.err},
        process::process_start_dir(command.directory.empty() ? "." : command.directory.string()),
        process::process_environment(environment),
        ChildGuard{.inherit = std::move(files.inherit), .confinement = confinement});
    if (!error) return process::process(std::move(child));
  } catch (const boost::system::system_error& thrown) {
    if (::getpid() != self) ::_exit(127);  // between fork and exec: never a second rig
    error = launcher.pid > 0 ? abandon(launcher.pid, thrown.code()) : thrown.code();
  }
  return fail_errno(error.value(), fmt::format("cannot run {}", command.to_shell()));
}

}  // namespace rig
