// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "guest/agent/files.h"
#include "guest/agent/report.h"
#include "guest/agent/system.h"

namespace rig::guest {
namespace {

constexpr int kInheritedWorkFd = 3;

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;

  bool open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
    return true;
  }
};

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> list;
  list.reserve(strings.size() + 1);
  for (std::string& text : strings) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

// All that the child needs, made before fork().
struct Launch {
  std::vector<std::string> argv;
  std::vector<std::string> environment;
  std::uint64_t address_space_bytes;
  int output_fds[2];
  int error_fd;
  int work_fd;
};

std::vector<std::string> full_environment(const RunProgram& request) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) all.emplace_back(*entry);
  all.push_back(std::string(kWorkFdVariable) + "=" + std::to_string(kInheritedWorkFd));
  all.insert(all.end(), request.environment.begin(), request.environment.end());
  return all;
}

// dup2() onto itself would keep close-on-exec, so descriptors are first moved out of the way.
bool place_descriptors(const Launch& launch) {
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int sources[] = {null, launch.output_fds[0], launch.output_fds[1], launch.work_fd};
  int moved[4];
  for (int i = 0; i < 4; ++i) moved[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, kInheritedWorkFd + 1);
  for (int i = 0; i < 4; ++i) {
    if (moved[i] >= 0 && dup2(moved[i], i) < 0) return false;
  }
  return moved[1] >= 0 && moved[2] >= 0;
}

bool set_limits(const Launch& launch) {
  if (launch.address_space_bytes == 0) return true;
  const rlimit limit{.rlim_cur = launch.address_space_bytes,
                     .rlim_max = launch.address_space_bytes};
  return setrlimit(RLIMIT_AS, &limit) == 0;
}

// Reports errno through error_fd; its closing by exec means success.
[[noreturn]] void run_child(Launch& launch) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setpgid(0, 0);
  write_knob("/proc/self/oom_score_adj", "0");
  // Out of the reach of the dup2() calls below.
  const int error_fd = fcntl(launch.error_fd, F_DUPFD_CLOEXEC, kInheritedWorkFd + 1);
  if (place_descriptors(launch) && set_limits(launch)) {
    execve(launch.argv[0].c_str(), pointers(launch.argv).data(),
           pointers(launch.environment).data());
  }
  const int error = errno;
  [[maybe_unused]] const ssize_t written = write(error_fd, &error, sizeof(error));
  _exit(127);
}

// Waits until the child has executed its program or said why it cannot.
int exec_error(int fd) {
  int error = 0;
  ssize_t got = 0;
  do {
    got = read(fd, &error, sizeof(error));
  } while (got < 0 && errno == EINTR);
  return got == sizeof(error) ? error : 0;
}

}  // namespace

Program::Program(std::uint32_t id, const RunProgram& request, int work_fd, Done& error) : id_(id) {
  if (request.argv.empty()) {
    error = failure(EINVAL, "run", "(no argv)");
    return;
  }
  Pipe outputs[2];
  Pipe status;
  if (!outputs[0].open() || !outputs[1].open() || !status.open()) {
    error = failure(errno, "pipe for", request.argv[0]);
    return;
  }
  Launch launch{.argv = request.argv,
                .environment = full_environment(request),
                .address_space_bytes = request.address_space_bytes,
                .output_fds = {outputs[0].write_end.get(), outputs[1].write_end.get()},
                .error_fd = status.write_end.get(),
                .work_fd = work_fd};
  pid_ = fork();
  if (pid_ < 0) {
    error = failure(errno, "fork for", request.argv[0]);
    return;
  }
  if (pid_ == 0) run_child(launch);
  setpgid(pid_, pid_);  // whoever is first: the group exists when fork() has returned here
  status.write_end.reset();
  if (const int number = exec_error(status.read_end.get())) {
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
    error = failure(number, "exec", request.argv[0]);
    return;
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    outputs_[i] = std::move(outputs[i].read_end);
    fcntl(outputs_[i].get(), F_SETFL, O_NONBLOCK);
  }
  if (request.timeout_ms != 0) deadline_ns_ = boot_time_ns() + request.timeout_ms * 1'000'000;
}

std::string Program::read_output(std::size_t index) {
  static char buffer[kMaxChunk];
  const ssize_t got = read(outputs_[index].get(), buffer, sizeof(buffer));
  if (got > 0) return std::string(buffer, static_cast<std::size_t>(got));
  const bool waiting = got < 0 && (errno == EAGAIN || errno == EINTR);
  if (!waiting || drained_) outputs_[index].reset();
  return {};
}

Done Program::signal(int number) {
  if (reaped_) return failure(ESRCH, "kill", std::to_string(id_));
  if (kill(-pid_, number) != 0) return failure(errno, "kill", std::to_string(id_));
  return {};
}

void Program::on_deadline() {
  deadline_ns_ = UINT64_MAX;
  if (reaped_) {
    drained_ = true;
    return;
  }
  exited_.timed_out = 1;
  signal(SIGKILL);
}

void Program::on_exit(int status, const rusage& usage) {
  reaped_ = true;
  kill(-pid_, SIGKILL);
  if (WIFSIGNALED(status)) {
    exited_.signal = static_cast<std::uint64_t>(WTERMSIG(status));
  } else {
    exited_.code = static_cast<std::uint64_t>(WEXITSTATUS(status));
  }
  const auto nanoseconds = [](const timeval& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(time.tv_usec) * 1'000;
  };
  exited_.cpu_ns = nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
  deadline_ns_ = boot_time_ns() + kDrainNs;
}

bool Program::finished() const {
  return reaped_ && !outputs_[0].valid() && !outputs_[1].valid();
}

}  // namespace rig::guest
