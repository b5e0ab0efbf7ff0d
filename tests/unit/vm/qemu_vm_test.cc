// SPDX-License-Identifier: Apache-2.0
// QemuVm against a scripted QEMU: what the real one does only when something is wrong.
#include "vm/qemu/qemu_vm.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/flattened.h"
#include "fakes/scripted_gdbstub.h"
#include "fakes/scripted_qmp.h"

namespace rig::vm::qemu {
namespace {

using fakes::ScriptedQmp;
using testing::HasSubstr;

Deadline soon() {
  return Deadline::after(std::chrono::seconds(5));
}
Deadline at_once() {
  return Deadline::after(std::chrono::milliseconds(30));
}

// A flattened dump as QEMU writes it: "core" at 0, "dump" at 8.
std::string flattened(bool whole = true) {
  const auto big_endian = [](std::uint64_t value) {
    std::string bytes;
    for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
    return bytes;
  };
  std::string stream("makedumpfile\0\0\0\0", 16);
  stream += big_endian(1) + big_endian(1);
  stream.resize(kFlattenedHeaderSize);
  stream += big_endian(8) + big_endian(4) + "dump" + big_endian(0) + big_endian(4) + "core";
  if (whole) stream += big_endian(~0ull) + big_endian(~0ull);
  return stream;
}

class QemuVmTest : public testing::Test {
 protected:
  using Handlers = std::map<std::string, ScriptedQmp::Handler>;

  void start(Handlers handlers = {}) {
    qmp_ = std::make_unique<ScriptedQmp>(std::move(handlers));
    auto console = socket_pair();
    auto agent = socket_pair();
    ASSERT_TRUE(console && agent);
    console_ = std::move(console->second);
    agent_ = std::move(agent->second);
    VmConfig config;
    config.folder = folder_->path();
    config.stop = stop_.get_token();
    QemuVm::Wires wires{qmp_->client(), std::move(console->first), std::move(agent->first)};
    if (stub_) wires.debugger = stub_->client();
    auto vm = QemuVm::attach(config, std::move(wires));
    ASSERT_TRUE(vm) << vm.error().message();
    vm_ = std::move(*vm);
  }
  // A QEMU whose dump sends `stream` and ends with `error`.
  Handlers dumping(std::string stream, std::string error = "") {
    return {{"getfd",
             [this](ScriptedQmp&, ScriptedQmp::Call& call) {
               core_ = std::move(call.fd);
               return ScriptedQmp::ok(call);
             }},
            {"dump-guest-memory", [this, stream, error](ScriptedQmp& qmp, ScriptedQmp::Call& call) {
               qmp.say(ScriptedQmp::ok(call));
               (void)!::write(core_.get(), stream.data(), stream.size());
               core_.reset();
               qmp.event("DUMP_COMPLETED", error.empty()
                                               ? R"({"result": {"status": "completed"}})"
                                               : fmt::format(R"({{"error": "{}"}})", error));
               return std::string();
             }}};
  }
  template <class M>
  void agent_says(std::uint32_t id, const M& message) {
    const std::string bytes = *guest::encode_frame(id, message);
    ASSERT_EQ(::write(agent_.get(), bytes.data(), bytes.size()), ssize_t(bytes.size()));
  }
  void print(std::string_view text) {
    ASSERT_EQ(::write(console_.get(), text.data(), text.size()), ssize_t(text.size()));
  }
  std::optional<Event> next() {
    auto event = vm_->next_event(soon());
    EXPECT_TRUE(event) << event.error().message();
    return event ? *event : std::nullopt;
  }
  std::vector<EventKind> kinds(std::size_t count) {
    std::vector<EventKind> seen;
    while (seen.size() < count) {
      const auto event = next();
      if (!event) break;
      seen.push_back(event->kind);
    }
    return seen;
  }
  // Answers one request of the host as an agent would, in a thread of its own.
  std::thread agent_answers(std::function<void(const guest::Frame&)> answer, int requests = 1) {
    return std::thread([this, answer, requests] {
      guest::FrameDecoder decoder;
      char buffer[65536];
      for (int left = requests; left > 0;) {
        const ssize_t count = ::read(agent_.get(), buffer, sizeof buffer);
        if (count <= 0) return;
        decoder.feed(std::string_view(buffer, static_cast<std::size_t>(count)));
        for (; left > 0; --left) {
          const auto frame = decoder.next();
          if (!frame) break;
          answer(*frame);
        }
      }
    });
  }

  Result<TempDir> folder_ = TempDir::create("qemu-vm-test");
  std::stop_source stop_;
  UniqueFd console_;
  UniqueFd agent_;
  UniqueFd core_;
  std::unique_ptr<fakes::ScriptedGdbstub> stub_;  // when it is there before start()
  std::unique_ptr<ScriptedQmp> qmp_;
  std::unique_ptr<Vm> vm_;
};

TEST_F(QemuVmTest, StartLetsTheGuestRunOnlyOnceEventsAreHeard) {
  start();
  EXPECT_THAT(qmp_->commands(), testing::ElementsAre("qmp_capabilities", "cont"));
  EXPECT_EQ(vm_->describe().backend_version, "7.2.22 (Debian 1:7.2)");
}

TEST_F(QemuVmTest, LinesPrintedBeforeAPanicComeBeforeIt) {
  start();
  print("Kernel panic - not syncing: Fatal exception\r\n");
  qmp_->event("GUEST_PANICKED", R"({"action": "pause"})");
  qmp_->event("STOP");
  EXPECT_THAT(kinds(3), testing::ElementsAre(EventKind::kConsoleLine, EventKind::kPanicked,
                                             EventKind::kStopped));
}

class QemuBreakpointTest : public QemuVmTest {
 protected:
  // A QEMU that says STOP and RESUME as the real one does.
  void start() {
    stub_ = std::make_unique<fakes::ScriptedGdbstub>([](const std::string& request) {
      if (request == "Z1,bad,1") return std::string("E22");
      return request == "g" ? fakes::register_dump(128, 0xffffffff81a10b1d) : std::string("OK");
    });
    QemuVmTest::start({{"stop",
                        [](ScriptedQmp& qmp, ScriptedQmp::Call& call) {
                          qmp.event("STOP");
                          return ScriptedQmp::ok(call);
                        }},
                       {"cont", [](ScriptedQmp& qmp, ScriptedQmp::Call& call) {
                          qmp.event("RESUME");
                          return ScriptedQmp::ok(call);
                        }}});
  }
};

TEST_F(QemuBreakpointTest, GuestIsHaltedToSetThemAndRunsAfterwards) {
  start();
  const VirtAddr addresses[] = {VirtAddr{0x10}, VirtAddr{0x20}};
  ASSERT_TRUE(vm_->set_breakpoints(addresses, soon()));
  EXPECT_THAT(stub_->requests(), testing::ElementsAre("Z1,10,1", "Z1,20,1"));
  EXPECT_THAT(qmp_->commands(), testing::ElementsAre("qmp_capabilities", "cont", "stop", "cont"));
}

TEST_F(QemuBreakpointTest, HitIsAnEventThatSaysWhereAndOnWhichCpu) {
  start();
  print("the last line\r\n");
  stub_->packet("T05thread:02;");
  qmp_->event("STOP");
  EXPECT_EQ(next()->kind, EventKind::kConsoleLine);
  const auto hit = next();
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->kind, EventKind::kBreakpoint);
  EXPECT_EQ(hit->address, VirtAddr{0xffffffff81a10b1d});
  EXPECT_EQ(hit->cpu, 1u);
  // Nobody has let it go on: no event, and the agent cannot answer.
  const auto sysctl = vm_->write_sysctl("kernel.x", "1", at_once());
  ASSERT_FALSE(sysctl);
  EXPECT_EQ(vm_->next_event(at_once())->has_value(), false);
  ASSERT_TRUE(vm_->remove_breakpoint(hit->address, soon()));
  ASSERT_TRUE(vm_->resume(soon()));
  EXPECT_EQ(qmp_->commands().back(), "cont");
}

TEST_F(QemuBreakpointTest, HitDuringOurOwnStopIsNotLost) {
  start();
  stub_->packet("T05thread:01;");
  ASSERT_TRUE(vm_->stop(soon()));
  EXPECT_EQ(next()->kind, EventKind::kBreakpoint);
}

TEST_F(QemuBreakpointTest, RefusedBreakpointIsAnError) {
  start();
  const VirtAddr addresses[] = {VirtAddr{0x10}, VirtAddr{0xbad}};
  const auto set = vm_->set_breakpoints(addresses, soon());
  ASSERT_FALSE(set);
  EXPECT_THAT(set.error().what, HasSubstr("0xbad"));
}

TEST_F(QemuBreakpointTest, BabblingStubIsTheRigsFault) {
  start();
  stub_->say("this is no packet");
  const auto event = vm_->next_event(soon());
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().blame, Blame::kRig);
  EXPECT_THAT(event.error().what, HasSubstr("gdbstub"));
}

TEST_F(QemuVmTest, MachineWithoutADebuggerTakesNoBreakpoints) {
  start();
  EXPECT_FALSE(vm_->set_breakpoints({}, soon()));
  EXPECT_FALSE(vm_->remove_breakpoint(VirtAddr{1}, soon()));
}

TEST_F(QemuVmTest, ResetOfTheGuestIsAnEventAndStopsIt) {
  start();
  qmp_->event("SHUTDOWN", R"({"guest": true, "reason": "guest-reset"})");
  qmp_->event("STOP");
  EXPECT_THAT(kinds(2), testing::ElementsAre(EventKind::kReset, EventKind::kStopped));
}

TEST_F(QemuVmTest, WatchdogThatFiresIsAnEventAndStopsTheGuest) {
  start();
  qmp_->event("WATCHDOG", R"({"action": "pause"})");
  qmp_->event("STOP");
  EXPECT_THAT(kinds(2), testing::ElementsAre(EventKind::kWatchdog, EventKind::kStopped));
}

TEST_F(QemuVmTest, OurOwnStopIsNoEvent) {
  start({{"stop", [](ScriptedQmp& qmp, ScriptedQmp::Call& call) {
            qmp.event("STOP");
            return ScriptedQmp::ok(call);
          }}});
  ASSERT_TRUE(vm_->stop(soon()));
  const auto event = vm_->next_event(at_once());
  ASSERT_TRUE(event);
  EXPECT_FALSE(*event);
}

TEST_F(QemuVmTest, PanicDuringOurOwnStopIsStillTold) {
  start({{"stop", [](ScriptedQmp& qmp, ScriptedQmp::Call& call) {
            qmp.event("GUEST_PANICKED");
            qmp.event("STOP");
            return ScriptedQmp::ok(call);
          }}});
  ASSERT_TRUE(vm_->stop(soon()));
  EXPECT_THAT(kinds(2), testing::ElementsAre(EventKind::kPanicked, EventKind::kStopped));
}

TEST_F(QemuVmTest, UnexplainedStopIsAskedAboutAndAFaultOfQemuIsTheRigs) {
  start({{"query-status", [](ScriptedQmp&, ScriptedQmp::Call& call) {
            return ScriptedQmp::ok(call, R"({"status": "internal-error", "running": false})");
          }}});
  qmp_->event("STOP");
  const auto event = next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, EventKind::kStopped);
  EXPECT_THAT(event->text, HasSubstr("internal-error"));
  const auto status = vm_->write_sysctl("a", "b", soon());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().blame, Blame::kRig);
}

TEST_F(QemuVmTest, StopTokenEndsAWaitAtOnce) {
  start();
  std::thread user([this] { stop_.request_stop(); });
  const auto event = vm_->next_event(soon());
  user.join();
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().blame, Blame::kCancelled);
}

TEST_F(QemuVmTest, WaitingForTheAgentKeepsWhatElseHappens) {
  start();
  print("booting\n");
  guest::Hello hello;
  hello.release = "6.1";
  agent_says(0, hello);
  const auto info = vm_->wait_for_agent(soon());
  ASSERT_TRUE(info && *info);
  EXPECT_EQ((*info)->release, "6.1");
  EXPECT_THAT(kinds(2), testing::UnorderedElementsAre(EventKind::kConsoleLine, EventKind::kHello));
}

TEST_F(QemuVmTest, NoAgentInAGuestThatPanickedIsNoError) {
  start();
  qmp_->event("GUEST_PANICKED");
  const auto info = vm_->wait_for_agent(soon());
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_FALSE(*info);
}

TEST_F(QemuVmTest, RefusalOfTheGuestsKernelIsTheKernelsAndQuoted) {
  start();
  agent_says(0, guest::Hello{});
  auto agent = agent_answers([this](const guest::Frame& frame) {
    agent_says(frame.id, guest::Done{.error = ENOEXEC, .what = "finit_module: Exec format error"});
  });
  const auto status = vm_->load_module("/m.ko", "", soon());
  agent.join();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().blame, Blame::kKernel);
  EXPECT_THAT(status.error().what, HasSubstr("Exec format error (errno 8)"));
}

TEST_F(QemuVmTest, PanicWhileARequestIsOpenIsTheKernels) {
  start();
  agent_says(0, guest::Hello{});
  auto agent = agent_answers([this](const guest::Frame&) { qmp_->event("GUEST_PANICKED"); });
  const auto status = vm_->load_module("/m.ko", "late_write=1", soon());
  agent.join();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().blame, Blame::kKernel);
  EXPECT_THAT(status.error().what, HasSubstr("loading module /m.ko: it panicked"));
}

TEST_F(QemuVmTest, SilentAgentInARunningGuestIsTheRigs) {
  start();
  agent_says(0, guest::Hello{});
  const auto status = vm_->write_sysctl("kernel.panic", "1", at_once());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().blame, Blame::kRig);
  EXPECT_THAT(status.error().what, HasSubstr("silent while writing sysctl kernel.panic"));
}

TEST_F(QemuVmTest, AgentBreakingTheProtocolIsTheRigs) {
  start();
  print("");
  ASSERT_EQ(::write(agent_.get(), "Oops: 0000", 10), 10);
  const auto status = vm_->write_sysctl("kernel.panic", "1", soon());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().blame, Blame::kRig);
  EXPECT_THAT(status.error().what, HasSubstr("broke the protocol: bad magic"));
}

TEST_F(QemuVmTest, FileIsSentWholeAndReadBack) {
  start();
  agent_says(0, guest::Hello{});
  std::string content(3 * guest::kMaxChunk + 17, 'q');
  content[70000] = 'X';
  ASSERT_TRUE(write_file_atomically(folder_->path() / "in", content));
  std::string received;
  auto agent = agent_answers(
      [&](const guest::Frame& frame) {
        if (const auto chunk = frame.as<guest::FileChunk>()) received += chunk->bytes;
        if (received.size() == content.size()) agent_says(frame.id, guest::Done{});
      },
      1 + 4);
  const auto put = vm_->put_file(folder_->path() / "in", "/out", 0755, soon());
  agent.join();
  ASSERT_TRUE(put) << put.error().message();
  EXPECT_EQ(received, content);

  auto reader = agent_answers([&](const guest::Frame& frame) {
    agent_says(frame.id, guest::FileChunk{.bytes = "1234"});
    agent_says(frame.id, guest::Done{});
  });
  const auto got = vm_->get_file("/proc/uptime", soon());
  reader.join();
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, "1234");
}

TEST_F(QemuVmTest, ProgramThatCannotRunIsAnErrorAndOneThatRunsIsNot) {
  start();
  agent_says(0, guest::Hello{});
  const auto answer = [this](bool refuse) {
    return agent_answers(
        [this, refuse](const guest::Frame& frame) {
          if (frame.type == guest::MessageType::kAskHello) agent_says(frame.id, guest::Hello{});
          if (frame.type == guest::MessageType::kRunProgram && refuse) {
            agent_says(frame.id, guest::Done{.error = ENOENT, .what = "exec: No such file"});
          }
        },
        2);
  };
  auto agent = answer(true);
  const auto refused = vm_->start_program({"/bin/none"}, soon());
  agent.join();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("starting /bin/none: exec: No such file"));
  agent = answer(false);
  EXPECT_TRUE(vm_->start_program({"/bin/load"}, soon()));
  agent.join();
}

TEST_F(QemuVmTest, PowerOffWaitsForTheMachine) {
  start();
  agent_says(0, guest::Hello{});
  auto agent = agent_answers([this](const guest::Frame& frame) {
    agent_says(frame.id, guest::Done{});
    qmp_->event("SHUTDOWN", R"({"guest": true, "reason": "guest-shutdown"})");
    qmp_->event("STOP");
  });
  const auto status = vm_->power_off(soon());
  agent.join();
  ASSERT_TRUE(status) << status.error().message();
  EXPECT_THAT(kinds(2), testing::ElementsAre(EventKind::kHello, EventKind::kPoweredOff));
}

TEST_F(QemuVmTest, LostMonitorFailsTheCallInProgress) {
  start();
  qmp_->hang_up();
  const auto info = vm_->wait_for_agent(soon());
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().blame, Blame::kRig);
}

// ---- memory

TEST_F(QemuVmTest, LinesThatNobodyFetchesAreBoundedInBytesAndTheStreamSaysSo) {
  start();
  constexpr std::size_t kLine = 16000;
  constexpr std::size_t kLines = QemuVm::kMaxQueued / kLine + 500;
  std::thread guest([this] {
    const std::string line(kLine - 1, 'x');
    for (std::size_t i = 0; i < kLines; ++i) print(line + "\n");
    agent_says(0, guest::Hello{});
  });
  const auto info = vm_->wait_for_agent(Deadline::after(std::chrono::seconds(20)));
  guest.join();
  ASSERT_TRUE(info && *info);
  std::size_t lines = 0;
  std::size_t bytes = 0;
  std::uint64_t left_out = 0;
  for (;;) {
    const auto event = vm_->next_event(at_once());
    ASSERT_TRUE(event) << event.error().message();
    if (!*event) break;
    if ((*event)->kind != EventKind::kConsoleLine) continue;
    bytes += (*event)->text.size();
    unsigned count = 0;
    if (std::sscanf((*event)->text.c_str(), "[%u lines left out: see console.log]", &count) == 1) {
      left_out += count;
    } else {
      ++lines;
    }
  }
  EXPECT_LE(bytes, QemuVm::kMaxQueued + (1u << 20));
  EXPECT_GT(left_out, 400u);
  EXPECT_EQ(lines + left_out, kLines);  // none is missing unsaid
}

// ---- dump

TEST_F(QemuVmTest, FlattenedStreamLandsInOrder) {
  start(dumping(flattened()));
  const fs::path core = folder_->path() / "vmcore";
  std::vector<double> fractions;
  const auto status = vm_->dump(
      core, DumpFormat::kKdumpZlib,
      [&](const Progress& progress) { fractions.push_back(progress.fraction.value_or(-1)); },
      soon());
  ASSERT_TRUE(status) << status.error().message();
  EXPECT_EQ(*read_file(core), std::string("core\0\0\0\0dump", 12));
  EXPECT_EQ(fractions.front(), 0.0);
  EXPECT_EQ(fractions.back(), 1.0);
}

TEST_F(QemuVmTest, DumpReplacesAnOlderCore) {
  start(dumping(flattened()));
  const fs::path core = folder_->path() / "vmcore";
  ASSERT_TRUE(write_file_atomically(core, "old"));
  ASSERT_TRUE(vm_->dump(core, DumpFormat::kKdumpZlib, {}, soon()));
  EXPECT_EQ(fs::file_size(core), 12u);
}

TEST_F(QemuVmTest, TruncatedDumpIsAnErrorAndLeavesNoFile) {
  start(dumping(flattened(false)));
  const auto status = vm_->dump(folder_->path() / "vmcore", DumpFormat::kKdumpLzo, {}, soon());
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().what, HasSubstr("before it was whole"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_->path()), {}), 1);  // console.log
}

TEST_F(QemuVmTest, DumpThatIsNoFlattenedStreamIsAnError) {
  start(dumping(std::string(8192, 'E')));
  const auto status = vm_->dump(folder_->path() / "vmcore", DumpFormat::kKdumpZlib, {}, soon());
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().what, HasSubstr("not a flattened dump"));
}

TEST_F(QemuVmTest, FailureThatQemuReportsIsQuotedAndLeavesNoFile) {
  start(dumping(flattened(false), "dump: failed to save memory"));
  const auto status = vm_->dump(folder_->path() / "vmcore", DumpFormat::kKdumpZlib, {}, soon());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().blame, Blame::kRig);
  EXPECT_THAT(status.error().what, HasSubstr("dump: failed to save memory"));
  EXPECT_FALSE(fs::exists(folder_->path() / "vmcore"));
}

TEST_F(QemuVmTest, FullDiskUnderAnElfDumpTellsWhatIsNeeded) {
  start(dumping("", "dump: failed to save memory: No space left on device"));
  const auto status = vm_->dump(folder_->path() / "vmcore", DumpFormat::kElf, {}, soon());
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().what, HasSubstr("up to 536.9 MB"));
  EXPECT_THAT(status.error().what, HasSubstr("free now"));
  EXPECT_THAT(status.error().hint, HasSubstr("make room in"));
}

TEST_F(QemuVmTest, RefusedDumpGivesTheDescriptorBack) {
  start({{"dump-guest-memory", [](ScriptedQmp&, ScriptedQmp::Call& call) {
            return ScriptedQmp::refuse(call, "format is not available");
          }}});
  const auto status = vm_->dump(folder_->path() / "vmcore", DumpFormat::kKdumpSnappy, {}, soon());
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().what, HasSubstr("format is not available"));
  vm_->resume(soon());
  ASSERT_TRUE(vm_->stop(soon()));
  EXPECT_THAT(qmp_->commands(), testing::Contains("closefd"));
}

TEST_F(QemuVmTest, StuckDumpEndsAtTheDeadline) {
  start({{"dump-guest-memory",
          [](ScriptedQmp&, ScriptedQmp::Call& call) { return ScriptedQmp::ok(call); }}});
  const auto status = vm_->dump(folder_->path() / "vmcore", DumpFormat::kKdumpZlib, {},
                                Deadline::after(std::chrono::milliseconds(250)));
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().what, HasSubstr("not done in time"));
  EXPECT_THAT(status.error().what, HasSubstr("536.9 MB"));
  EXPECT_THAT(status.error().hint, HasSubstr("-j"));
}

}  // namespace
}  // namespace rig::vm::qemu
