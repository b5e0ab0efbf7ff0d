// SPDX-License-Identifier: Apache-2.0
// GuestVm's requests to the agent in the guest.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "base/text.h"
#include "scenario/guest.h"
#include "vm/guest_symbols.h"
#include "vm/guest_vm.h"

namespace rig::vm {
namespace {

// The guest's kernel said no. An agent that does not know a request is of another rig.
Status refusal(const AgentChannel::Answer& answer, std::string_view doing) {
  if (answer.error == 0) return {};
  const int number = answer.error < 4096 ? static_cast<int>(answer.error) : EPROTO;
  const Blame blame = number == ENOSYS ? Blame::kRig : Blame::kKernel;
  if (answer.what.empty()) return fail(blame, "{}: {}", doing, std::strerror(number));
  return fail(blame, "{}: {} (errno {})", doing, answer.what, number);
}

}  // namespace

Result<std::optional<GuestInfo>> GuestVm::wait_for_agent(Deadline deadline) {
  RIG_ASSIGN(const bool known, wait(
                                   [this] {
                                     return agent_->info() || agent_->broken() ||
                                            stopped_by_itself() || console_log_->error();
                                   },
                                   deadline, "waiting for the guest's agent"));
  if (!known) return std::nullopt;
  if (agent_->info()) return agent_->info();
  if (guest_ == Guest::kFault) return fail(Blame::kRig, "the guest cannot run: {}", guest_state());
  if (stopped_by_itself()) return std::nullopt;
  return tl::unexpected(agent_->broken() ? *agent_->broken() : *console_log_->error());
}

// Waits for what only the agent can bring about.
Status GuestVm::await_agent(const std::function<bool()>& condition, std::string_view doing,
                            Deadline deadline) {
  RIG_ASSIGN(const bool came, wait(
                                  [&] {
                                    return condition() || agent_->broken() ||
                                           guest_ != Guest::kRunning || agent_wire_->ended();
                                  },
                                  deadline, doing));
  if (condition()) return {};
  if (agent_->broken()) return tl::unexpected(*agent_->broken());
  if (guest_ == Guest::kHalted || guest_ == Guest::kFault) {
    return fail(Blame::kRig, "the guest does not answer while {}: {}", doing, guest_state());
  }
  if (stopped_by_itself()) {
    return fail(Blame::kKernel, "the guest is gone while {}: {}", doing, guest_state());
  }
  if (came) return fail(Blame::kRig, "the connection to the agent is gone while {}", doing);
  return fail_hint(Blame::kRig, "the end of console.log may tell why",
                   "the guest's agent is silent while {}", doing);
}

Result<AgentChannel::Answer> GuestVm::answer(std::uint32_t id, std::string_view doing,
                                             Deadline deadline) {
  RIG_TRY(await_agent([&] { return agent_->answered(id); }, doing, deadline));
  AgentChannel::Answer got = agent_->take_answer(id);
  RIG_TRY(refusal(got, doing));
  return got;
}

template <class M>
Result<AgentChannel::Answer> GuestVm::ask(const M& message, std::string_view doing,
                                          Deadline deadline) {
  // Not before it is there: what is sent to a port that nobody opened may be lost.
  RIG_TRY(await_agent([&] { return agent_->info().has_value(); }, doing, deadline));
  RIG_ASSIGN(const std::uint32_t id, agent_->request(message));
  return answer(id, doing, deadline);
}

Status GuestVm::write_sysctl(std::string_view name, std::string_view value, Deadline deadline) {
  RIG_TRY(ask(guest::WriteSysctl{.name = std::string(name), .value = std::string(value)},
              fmt::format("writing sysctl {}", name), deadline));
  return {};
}

Status GuestVm::load_module(std::string_view guest_path, std::string_view params,
                            Deadline deadline) {
  RIG_TRY(ask(guest::LoadModule{.path = std::string(guest_path), .params = std::string(params)},
              fmt::format("loading module {}", guest_path), deadline));
  return {};
}

Status GuestVm::put_file(const fs::path& local, std::string_view guest_path, unsigned mode,
                         Deadline deadline) {
  static_assert(scenario::kMaxGuestFileBytes <= guest::kMaxFileSize);
  constexpr std::size_t kAhead = std::size_t{1} << 20;  // bytes on their way at a time
  RIG_ASSIGN(const MappedFile file, MappedFile::open(local));
  std::string_view rest = as_text(file.bytes());
  if (rest.size() > guest::kMaxFileSize) {
    return fail(Blame::kInput, "{} is too large for the guest: {}, at most {}", local.string(),
                human_bytes(rest.size()), human_bytes(guest::kMaxFileSize));
  }
  const std::string doing = fmt::format("sending {}", guest_path);
  RIG_TRY(await_agent([&] { return agent_->info().has_value(); }, doing, deadline));
  RIG_ASSIGN(const std::uint32_t id,
             agent_->request(guest::PutFile{
                 .path = std::string(guest_path), .mode = mode, .size = rest.size()}));
  while (!rest.empty() && !agent_->answered(id)) {
    const std::size_t size = std::min(rest.size(), guest::kMaxChunk);
    RIG_TRY(agent_->send_chunk(id, std::string(rest.substr(0, size))));
    rest.remove_prefix(size);
    RIG_TRY(await_agent([&] { return agent_->answered(id) || agent_wire_->unsent() < kAhead; },
                        doing, deadline));
  }
  RIG_TRY(answer(id, doing, deadline));
  return {};
}

Result<std::string> GuestVm::get_file(std::string_view guest_path, Deadline deadline) {
  RIG_ASSIGN(AgentChannel::Answer got, ask(guest::ReadFile{.path = std::string(guest_path)},
                                           fmt::format("reading {}", guest_path), deadline));
  return std::move(got.file);
}

Result<std::vector<GuestFunction>> GuestVm::find_functions(std::span<const std::string> names,
                                                           Deadline deadline) {
  RIG_ASSIGN(const AgentChannel::Answer got,
             ask(guest::FindSymbols{.names = {names.begin(), names.end()}},
                 "looking for functions of the kernel", deadline));
  return parse_symbol_lines(got.file);
}

Status GuestVm::start_program(const std::vector<std::string>& argv, Deadline deadline) {
  if (argv.empty()) return fail(Blame::kInput, "no program to run");
  const std::string doing = fmt::format("starting {}", argv.front());
  RIG_TRY(await_agent([&] { return agent_->info().has_value(); }, doing, deadline));
  guest::RunProgram run;
  run.argv = argv;
  RIG_ASSIGN(const std::uint32_t id, agent_->request(run));
  // A program that runs is not answered; but requests are taken in order, so once the next one is
  // answered, this one has been started or refused.
  RIG_ASSIGN(const std::uint32_t barrier, agent_->request(guest::AskHello{}));
  RIG_TRY(await_agent([&] { return agent_->answered(barrier); }, doing, deadline));
  (void)agent_->take_answer(barrier);
  if (agent_->answered(id)) return refusal(agent_->take_answer(id), doing);
  agent_->let_run(id);
  return {};
}

Result<std::chrono::seconds> GuestVm::arm_watchdog(std::chrono::seconds time, Deadline deadline) {
  RIG_ASSIGN(const AgentChannel::Answer got,
             ask(guest::ArmWatchdog{.seconds = static_cast<std::uint64_t>(time.count())},
                 "arming the watchdog", deadline));
  constexpr std::uint64_t kMost = std::numeric_limits<int>::max();  // the ioctl's own type
  if (got.seconds == 0 || got.seconds > kMost) {
    return fail(Blame::kRig, "the guest's agent says that it set the watchdog to {} s",
                got.seconds);
  }
  return std::chrono::seconds(got.seconds);
}

Status GuestVm::power_off(Deadline deadline) {
  constexpr std::string_view kDoing = "powering off";
  if (guest_ == Guest::kPoweredOff) return {};
  RIG_TRY(await_agent([&] { return agent_->info().has_value(); }, kDoing, deadline));
  RIG_TRY(agent_->request(guest::PowerOff{}));
  // Its answer may be overtaken by the end of the machine, which is what counts.
  return await_agent([this] { return guest_ == Guest::kPoweredOff; }, kDoing, deadline);
}

}  // namespace rig::vm
