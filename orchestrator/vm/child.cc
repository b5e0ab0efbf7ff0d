// SPDX-License-Identifier: Apache-2.0
#include "vm/child.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/launch.h"
#include "vm/loop_impl.h"

namespace rig::vm {
namespace process = boost::process::v2;
using boost::system::error_code;

namespace {

constexpr std::size_t kKeptOutput = 8 << 10;

}  // namespace

struct Child::State {
  State(Loop& on, process::process started) : loop(on), child(std::move(started)) {}

  Loop& loop;
  process::process child;
  bool exited = false;
  std::string output;
  std::unique_ptr<Channel> stream;
};

Result<std::unique_ptr<Child>> Child::start(Loop& loop, const Command& command,
                                            std::vector<int> inherit,
                                            std::optional<Confinement> confinement) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "cannot create a pipe");
  UniqueFd reading(ends[0]);
  const UniqueFd writing(ends[1]);

  RIG_ASSIGN(auto child,
             launch(loop.impl().context, command,
                    {.out = writing.get(), .err = writing.get(), .inherit = std::move(inherit)},
                    confinement));
  auto state = std::make_shared<State>(loop, std::move(child));
  State* raw = state.get();
  RIG_ASSIGN(state->stream,
             Channel::create(loop, std::move(reading), {.on_bytes = [raw](std::string_view bytes) {
                               raw->output += bytes;
                               if (raw->output.size() <= kKeptOutput) return;
                               raw->output.erase(0, raw->output.size() - kKeptOutput);
                             }}));
  // The wait refers to the process object: it must keep it.
  state->child.async_wait([self = state](error_code, int) {
    self->exited = true;
    self->stream->drain();  // all it wrote is in the pipe by now
  });
  return std::make_unique<Child>(std::move(state));
}

Child::Child(std::shared_ptr<State> state) : state_(std::move(state)) {}

Child::~Child() {
  if (state_->exited) return;
  kill();
  state_->loop.run_until([&] { return state_->exited; }, Deadline::after(std::chrono::seconds(5)));
}

pid_t Child::pid() const {
  return state_->child.id();
}

void Child::kill() {
  if (!state_->exited) ::kill(pid(), SIGKILL);
}

bool Child::alive() const {
  return !state_->exited;
}

std::string Child::how_it_ended() const {
  if (!state_->exited) return "still running";
  const int status = state_->child.native_exit_code();
  if (WIFSIGNALED(status)) {
    return fmt::format("killed by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  }
  return fmt::format("exited with code {}", WEXITSTATUS(status));
}

std::string Child::output() const {
  return state_->output;
}

}  // namespace rig::vm
