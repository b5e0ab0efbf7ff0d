// SPDX-License-Identifier: Apache-2.0
// GuestVm's requests to the agent in the guest.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
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

// What comes must be what was asked for, each byte once.
class ExtentCheck {
 public:
  explicit ExtentCheck(std::span<const FileRange> ranges) : ranges_(ranges) {}

  Status take(std::uint64_t offset, std::uint64_t size) {
    while (!ranges_.empty() && offset - ranges_.front().offset >= ranges_.front().size) {
      ranges_ = ranges_.subspan(1);
    }
    const bool asked = !ranges_.empty() && offset >= from_ &&
                       size <= ranges_.front().size - (offset - ranges_.front().offset);
    if (!asked) {
      return fail(Blame::kRig, "the guest's agent sent a part of a file that nobody asked for");
    }
    from_ = offset + size;
    return {};
  }

 private:
  std::span<const FileRange> ranges_;
  std::uint64_t from_ = 0;
};

// Requests under way, in order; those that are left at the end are let go.
class AskedRanges {
 public:
  explicit AskedRanges(AgentChannel& agent) : agent_(agent) {}
  ~AskedRanges() {
    for (const std::uint32_t id : ids_) agent_.let_go(id);
  }

  Status ask(std::string_view path, std::span<const FileRange> ranges,
             const AgentChannel::Extents& take) {
    guest::ReadRanges message{.path = std::string(path), .ranges = {}};
    message.ranges.reserve(2 * ranges.size());
    for (const FileRange& range : ranges) {
      message.ranges.insert(message.ranges.end(), {range.offset, range.size});
    }
    RIG_ASSIGN(const std::uint32_t id, agent_.read_ranges(message, take));
    ids_.push_back(id);
    return {};
  }
  bool empty() const { return ids_.empty(); }
  std::size_t size() const { return ids_.size(); }
  bool answered() const { return agent_.answered(ids_.front()); }
  AgentChannel::Answer take_answer() {
    AgentChannel::Answer answer = agent_.take_answer(ids_.front());
    ids_.pop_front();
    return answer;
  }

 private:
  AgentChannel& agent_;
  std::deque<std::uint32_t> ids_;
};

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
  const bool captured = agent_->in_capture_kernel();
  const auto crashed = [&] { return agent_->in_capture_kernel() != captured; };
  RIG_ASSIGN(const bool came, wait(
                                  [&] {
                                    return condition() || agent_->broken() || crashed() ||
                                           guest_ != Guest::kRunning || agent_wire_->ended();
                                  },
                                  deadline, doing));
  if (condition()) return {};
  if (crashed()) return fail(Blame::kKernel, "the guest's kernel crashed while {}", doing);
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

Status GuestVm::load_crash_kernel(const CrashKernel& kernel, Deadline deadline) {
  RIG_TRY(ask(
      guest::LoadCrashKernel{
          .kernel = kernel.kernel, .initramfs = kernel.initramfs, .cmdline = kernel.cmdline},
      "loading the capture kernel", deadline));
  agent_->expect_capture();
  return {};
}

Status GuestVm::load_crash_segments(const CrashSegments& image, Deadline deadline) {
  guest::LoadCrashSegments message{.entry = image.entry, .files = {}, .blobs = {}, .places = {}};
  for (const bool files : {true, false}) {
    for (const CrashSegments::Segment& segment : image.segments) {
      if (segment.file.empty() == files) continue;
      if (files) message.files.push_back(segment.file);
      if (!files) message.blobs.push_back(segment.bytes);
      message.places.insert(message.places.end(), {segment.address, segment.size});
    }
  }
  RIG_TRY(ask(message, "loading the capture kernel", deadline));
  agent_->expect_capture();
  return {};
}

Status GuestVm::read_ranges(std::string_view guest_path, std::span<const FileRange> ranges,
                            const ExtentSink& sink, Deadline deadline) {
  constexpr std::size_t kTogether = 4096;  // ranges in a request
  constexpr std::size_t kAhead = 2;        // requests: the agent never waits for the next one
  const std::string doing = fmt::format("reading {}", guest_path);
  RIG_TRY(await_agent([&] { return agent_->info().has_value(); }, doing, deadline));
  ExtentCheck check(ranges);
  Status taken;
  const auto take = [&](std::uint64_t offset, std::string_view bytes) {
    if (taken) taken = check.take(offset, bytes.size());
    if (taken) taken = sink(offset, as_bytes(bytes));
  };
  AskedRanges asked(*agent_);
  while (!ranges.empty() || !asked.empty()) {
    if (!ranges.empty() && asked.size() < kAhead) {
      const std::size_t count = std::min(ranges.size(), kTogether);
      RIG_TRY(asked.ask(guest_path, ranges.first(count), take));
      ranges = ranges.subspan(count);
      continue;
    }
    RIG_TRY(await_agent([&] { return !taken || asked.answered(); }, doing, deadline));
    RIG_TRY(taken);
    RIG_TRY(refusal(asked.take_answer(), doing));
  }
  return taken;
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
