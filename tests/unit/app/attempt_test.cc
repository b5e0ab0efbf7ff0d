// SPDX-License-Identifier: Apache-2.0
// One attempt over a scripted machine: which ending becomes which outcome, and whose fault it is.
#include "unit/app/attempt_fixture.h"

namespace rig {
namespace {

using fakes::FakeVm;
using testing::HasSubstr;
using testing::IsEmpty;
using verdict::Outcome;
using vm::EventKind;

TEST_F(AttemptTest, LoadThatEndsWellIsSurvival) {
  expect_survival();
  auto machine = std::make_unique<FakeVm>();
  machine->reactions["start_program"] = {FakeVm::event(EventKind::kProgramExited, 0)};
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(attempt.outcome, Outcome::kSurvived) << attempt.error;
  EXPECT_EQ(phases_, (std::vector<std::string>{"boot", "inject", "wait"}));
  EXPECT_THAT(attempt.core, IsEmpty());
}

// Notes what is sent, with its permissions, and when the module is loaded: it outlives the machine.
class NotingVm : public FakeVm {
 public:
  explicit NotingVm(std::vector<std::string>& order) : order_(order) {}
  Status put_file(const fs::path& local, std::string_view guest_path, unsigned mode,
                  Deadline deadline) override {
    order_.push_back(fmt::format("{} {:o}", guest_path, mode));
    return FakeVm::put_file(local, guest_path, mode, deadline);
  }
  Status load_module(std::string_view guest_path, std::string_view params,
                     Deadline deadline) override {
    order_.push_back("load_module");
    return FakeVm::load_module(guest_path, params, deadline);
  }

 private:
  std::vector<std::string>& order_;
};

TEST_F(AttemptTest, FilesOfTheScenarioAreThereBeforeTheModule) {
  expect_survival();
  auto scenario = std::make_shared<scenario::Scenario>(*scenario_);
  ASSERT_TRUE(write_file_atomically(folder_.path() / "a.bin", "firmware"));
  scenario->guest.files = {
      {.from = folder_.path() / "a.bin", .to = "/lib/firmware/a.bin", .mode = 0600}};
  cell_.scenario = scenario;
  std::vector<std::string> order;
  auto machine = std::make_unique<NotingVm>(order);
  machine->reactions["start_program"] = {FakeVm::event(EventKind::kProgramExited, 0)};
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(attempt.outcome, Outcome::kSurvived) << attempt.error;
  EXPECT_EQ(order, (std::vector<std::string>{"/lib/firmware/a.bin 600", "/tmp/driver.ko 644",
                                             "load_module", "/tmp/load 755"}));
}

TEST_F(AttemptTest, CrashWithTheExpectedReportIsTheExpectedCrash) {
  auto machine = std::make_unique<FakeVm>();
  machine->core = fakes::minimal_core();
  machine->reactions["start_program"] = {
      // What a healthy kernel says under load is not the cause.
      FakeVm::console("[    0.9] io_and_net: page allocation failure: order:9, mode:0xcc0"),
      FakeVm::console("[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000106"),
      FakeVm::event(EventKind::kPanicked), FakeVm::event(EventKind::kStopped)};
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(attempt.outcome, Outcome::kExpectedCrash) << attempt.error;
  EXPECT_EQ(attempt.core, "vmcore");
  EXPECT_EQ(attempt.core_format, "kdump-zlib");
  EXPECT_TRUE(fs::exists(folder_.path() / attempt.findings));
  EXPECT_EQ(phases_.back(), "analyze");
}

// A machine whose load makes the kernel reach slab_bug(), and then print its report.
class StopAtTest : public AttemptTest {
 protected:
  StopAtTest() {
    cell_.detector.stop_at = {"slab_bug", "panic"};
    cell_.detector.expect.report->kind = "slub-poison-overwritten";
    machine_to_play_->functions = {{"slab_bug", VirtAddr{0x10}}, {"panic", VirtAddr{0x20}}};
    machine_to_play_->core = fakes::minimal_core();
    machine_to_play_->reactions["start_program"] = {hit(0x10)};
  }
  static vm::Event hit(std::uint64_t address) {
    vm::Event event = FakeVm::event(EventKind::kBreakpoint);
    event.address = VirtAddr{address};
    event.cpu = 1;
    return event;
  }
  static std::vector<vm::Event> report() {
    return {FakeVm::console("[    1.0] BUG kmalloc-1k (Tainted: G): Poison overwritten"),
            FakeVm::event(EventKind::kPanicked), FakeVm::event(EventKind::kStopped)};
  }
  std::unique_ptr<FakeVm> machine_to_play_ = std::make_unique<FakeVm>();
};

TEST_F(StopAtTest, CoreIsTakenAtTheStopAndTheReportAfterIt) {
  machine_to_play_->reactions["resume"] = report();
  payload_.module.clear();
  const auto attempt = play(std::move(machine_to_play_));
  EXPECT_EQ(attempt.outcome, Outcome::kExpectedCrash) << attempt.error;
  EXPECT_EQ(attempt.core, "vmcore");
  ASSERT_TRUE(attempt.stopped);
  EXPECT_EQ(attempt.stopped->function, "slab_bug");
  EXPECT_EQ(attempt.stopped->address, 0x10u);
  EXPECT_EQ(attempt.stopped->cpu, 1u);
  EXPECT_EQ(phases_,
            (std::vector<std::string>{"boot", "inject", "wait", "capture", "wait", "analyze"}));
}

TEST_F(StopAtTest, LaterStopsAreNotedAndPassed) {
  auto later = report();
  later.insert(later.begin(), hit(0x20));
  machine_to_play_->reactions["resume"] = later;
  const auto attempt = play(std::move(machine_to_play_));
  EXPECT_EQ(attempt.outcome, Outcome::kExpectedCrash) << attempt.error;
  ASSERT_TRUE(attempt.stopped);
  EXPECT_EQ(attempt.stopped->function, "slab_bug");
  EXPECT_EQ(attempt.stopped->later.at(0), "panic");
}

TEST_F(StopAtTest, StopInTheInjectionIsFollowedByItsReport) {
  machine_to_play_->reactions.erase("start_program");
  machine_to_play_->reactions["load_module"] = {hit(0x10)};
  machine_to_play_->fails["load_module"] = Error{Blame::kKernel, "stopped at a breakpoint", ""};
  machine_to_play_->reactions["resume"] = report();
  const auto attempt = play(std::move(machine_to_play_));
  EXPECT_EQ(attempt.outcome, Outcome::kExpectedCrash) << attempt.error;
  EXPECT_TRUE(attempt.stopped);
}

TEST_F(StopAtTest, StopThatNoReportFollowsLeavesNoCore) {
  expect_survival();
  machine_to_play_->reactions["resume"] = {FakeVm::event(EventKind::kProgramExited, 0)};
  const auto attempt = play(std::move(machine_to_play_));
  EXPECT_EQ(attempt.outcome, Outcome::kSurvived) << attempt.error;
  EXPECT_TRUE(attempt.stopped);
  EXPECT_THAT(attempt.core, IsEmpty());
  EXPECT_FALSE(fs::exists(folder_.path() / "vmcore"));
}

TEST_F(StopAtTest, FunctionThatTheKernelLacksIsARigErrorBeforeTheInjection) {
  machine_to_play_->functions.erase(machine_to_play_->functions.begin());
  const auto attempt = play(std::move(machine_to_play_));
  EXPECT_EQ(attempt.outcome, Outcome::kRigError);
  EXPECT_THAT(attempt.error, HasSubstr("slab_bug is not in this kernel"));
  EXPECT_EQ(phases_.back(), "boot");
}

TEST_F(AttemptTest, CrashWithAnotherReportIsAnotherCrash) {
  cell_.detector.expect.report->kind = "kasan-use-after-free";
  auto machine = std::make_unique<FakeVm>();
  machine->core = fakes::minimal_core();
  machine->reactions["start_program"] = {
      FakeVm::console("[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000106"),
      FakeVm::event(EventKind::kPanicked), FakeVm::event(EventKind::kStopped)};
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(attempt.outcome, Outcome::kOtherCrash);
  ASSERT_FALSE(attempt.checks.empty());
  EXPECT_EQ(attempt.checks[0].found, "null-deref");
}

TEST_F(AttemptTest, LoadThatFoundItsDataWrongIsNoSurvival) {
  expect_survival();
  auto machine = std::make_unique<FakeVm>();
  vm::Event output = FakeVm::event(EventKind::kProgramOutput);
  output.text = "block 7 holds somebody else's data\n";
  machine->reactions["start_program"] = {output, FakeVm::event(EventKind::kProgramExited, 1)};
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(attempt.outcome, Outcome::kOtherCrash);
  ASSERT_FALSE(attempt.checks.empty());
  EXPECT_THAT(attempt.checks[0].found, HasSubstr("block 7"));
}

TEST_F(AttemptTest, LoadThatCouldNotStartIsARigError) {
  auto machine = std::make_unique<FakeVm>();
  machine->reactions["start_program"] = {FakeVm::event(EventKind::kProgramExited, 3)};
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(attempt.outcome, Outcome::kRigError);
  EXPECT_THAT(attempt.error, HasSubstr("exit code 3"));
}

TEST_F(AttemptTest, SilentAgentIsARigErrorThatSaysWhereToLook) {
  auto machine = std::make_unique<FakeVm>();
  machine->guest = std::nullopt;
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(attempt.outcome, Outcome::kRigError);
  EXPECT_THAT(attempt.error, HasSubstr("6.1.0-test did not boot: it printed nothing"));
  EXPECT_THAT(attempt.error, HasSubstr("console.log"));
}

TEST_F(AttemptTest, PanicWhileBootingIsARigErrorThatQuotesIt) {
  auto machine = std::make_unique<FakeVm>();
  machine->guest = std::nullopt;
  machine->reactions["wait_for_agent"] = {
      FakeVm::console("[    1.0] Kernel panic - not syncing: No working init found."),
      FakeVm::event(EventKind::kPanicked), FakeVm::event(EventKind::kStopped)};
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(attempt.outcome, Outcome::kRigError);
  EXPECT_THAT(attempt.error, HasSubstr("No working init"));
}

// A scenario that is about the boot.
class BootFailureTest : public AttemptTest {
 protected:
  BootFailureTest() {
    machine_to_play_->guest = std::nullopt;
    machine_to_play_->core = fakes::minimal_core();
  }
  void expect_in_boot(scenario::Expectation expectation) {
    expectation.during = scenario::During::kBoot;
    cell_.detector.expect = std::move(expectation);
  }
  static scenario::Expectation panic() {
    scenario::Expectation expectation;
    expectation.report.emplace();
    expectation.report->kind = "panic";
    return expectation;
  }
  static scenario::Expectation boot_hang() {
    scenario::Expectation expectation;
    expectation.hang.emplace();
    expectation.hang->kind = HangKind::kBoot;
    return expectation;
  }
  void panic_in_boot() {
    machine_to_play_->reactions["wait_for_agent"] = {
        FakeVm::console("[    1.0] Kernel panic - not syncing: No working init found."),
        FakeVm::event(EventKind::kPanicked), FakeVm::event(EventKind::kStopped)};
  }
  std::unique_ptr<FakeVm> machine_to_play_ = std::make_unique<FakeVm>();
};

TEST_F(BootFailureTest, PanicThatIsExpectedInTheBootIsJudgedLikeAnyOther) {
  expect_in_boot(panic());
  panic_in_boot();
  const auto attempt = play(std::move(machine_to_play_));
  EXPECT_EQ(attempt.outcome, Outcome::kExpectedCrash) << attempt.error;
  EXPECT_EQ(attempt.core, "vmcore");
  EXPECT_EQ(phases_, (std::vector<std::string>{"boot", "capture", "analyze"}));
}

TEST_F(BootFailureTest, HangThatIsExpectedInTheBootIsJudgedAndNamesTheLastLine) {
  expect_in_boot(boot_hang());
  machine_to_play_->push(FakeVm::console("[    0.1] sched_clock: Marking stable (1, 2)->(3, 4)"));
  const auto attempt = play(std::move(machine_to_play_));
  EXPECT_EQ(attempt.outcome, Outcome::kExpectedCrash) << attempt.error;
  ASSERT_TRUE(attempt.hang);
  EXPECT_EQ(attempt.hang->kind, HangKind::kBoot);
  EXPECT_THAT(attempt.hang->last_line, HasSubstr("Marking stable"));
  EXPECT_THAT(attempt.reason, HasSubstr("boot-hang after \"[    0.1] sched_clock"));
}

TEST_F(BootFailureTest, PanicInTheBootIsNoBootHang) {
  expect_in_boot(boot_hang());
  panic_in_boot();
  EXPECT_EQ(play(std::move(machine_to_play_)).outcome, Outcome::kOtherCrash);
}

TEST_F(BootFailureTest, HangThatNobodyExpectsIsARigErrorWithACore) {
  machine_to_play_->push(FakeVm::console("[    0.1] sched_clock: Marking stable (1, 2)->(3, 4)"));
  const auto attempt = play(std::move(machine_to_play_));
  EXPECT_EQ(attempt.outcome, Outcome::kRigError);
  EXPECT_THAT(attempt.error, HasSubstr("did not boot"));
  EXPECT_THAT(attempt.error, HasSubstr("Marking stable"));
  EXPECT_EQ(attempt.core, "vmcore");
  ASSERT_TRUE(attempt.hang);
  EXPECT_EQ(attempt.hang->kind, HangKind::kBoot);
}

TEST_F(BootFailureTest, GuestThatBootsAlthoughItShouldNotHasSurvived) {
  expect_in_boot(boot_hang());
  machine_to_play_->guest = vm::GuestInfo{};
  machine_to_play_->reactions["start_program"] = {FakeVm::event(EventKind::kProgramExited, 0)};
  EXPECT_EQ(play(std::move(machine_to_play_)).outcome, Outcome::kSurvived);
}

TEST_F(AttemptTest, ModuleOfTheInitramfsIsNotLoadedAgain) {
  expect_survival();
  payload_.module_in_boot = true;
  auto machine = std::make_unique<FakeVm>();
  machine->fails["load_module"] = Error{Blame::kKernel, "File exists", ""};
  machine->reactions["start_program"] = {FakeVm::event(EventKind::kProgramExited, 0)};
  EXPECT_EQ(play(std::move(machine)).outcome, Outcome::kSurvived);
}

TEST_F(AttemptTest, ReportBeforeTheInjectionIsARigErrorNotACrash) {
  auto machine = std::make_unique<FakeVm>();
  machine->reactions["wait_for_agent"] = {
      FakeVm::console("[    1.0] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [init:1]")};
  machine->reactions["start_program"] = {
      FakeVm::console("[    9.0] BUG: kernel NULL pointer dereference, address: 0000000000000106"),
      FakeVm::event(EventKind::kPanicked), FakeVm::event(EventKind::kStopped)};
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(attempt.outcome, Outcome::kRigError);
  EXPECT_THAT(attempt.error, HasSubstr("before anything was injected"));
  EXPECT_THAT(attempt.error, HasSubstr("soft lockup"));
  EXPECT_EQ(phases_.back(), "wait");  // and no core was taken
}

TEST_F(AttemptTest, ModuleThatIsRefusedIsARigError) {
  auto machine = std::make_unique<FakeVm>();
  machine->fails["load_module"] = Error{Blame::kKernel, "init_module: Invalid argument", ""};
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(attempt.outcome, Outcome::kRigError);
  EXPECT_THAT(attempt.error, HasSubstr("Invalid argument"));
}

TEST_F(AttemptTest, MachineThatDiesIsARigError) {
  auto machine = std::make_unique<FakeVm>();
  vm::Event gone = FakeVm::event(EventKind::kBackendExited);
  gone.text = "killed by signal 9";
  machine->reactions["start_program"] = {gone};
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(attempt.outcome, Outcome::kRigError);
  EXPECT_THAT(attempt.error, HasSubstr("killed by signal 9"));
}

TEST_F(AttemptTest, DumpThatFailsIsARigErrorNotACrash) {
  auto machine = std::make_unique<FakeVm>();
  machine->reactions["load_module"] = {FakeVm::event(EventKind::kPanicked),
                                       FakeVm::event(EventKind::kStopped)};
  machine->fails["load_module"] = Error{Blame::kKernel, "the guest stopped", ""};
  machine->fails["dump"] = Error{Blame::kRig, "No space left on device", "free some"};
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(attempt.outcome, Outcome::kRigError);
  EXPECT_THAT(attempt.error, HasSubstr("No space left on device"));
  EXPECT_EQ(phases_, (std::vector<std::string>{"boot", "inject", "capture"}));
}

TEST_F(AttemptTest, LoadStillBusyAtTheDeadlineIsTheRigsFault) {
  auto machine = std::make_unique<FakeVm>();
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(attempt.outcome, Outcome::kRigError);
  EXPECT_THAT(attempt.error, HasSubstr("timeouts.crash"));
}

TEST_F(AttemptTest, LoadThatCountedWorkAndStoppedHangsTheGuest) {
  auto machine = std::make_unique<FakeVm>();
  vm::Event worked = FakeVm::event(EventKind::kHeartbeat);
  worked.work = 7;
  worked.programs = 1;
  machine->reactions["start_program"] = {worked};
  machine->fails["dump"] = Error{Blame::kRig, "the dump was tried", ""};
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(phases_.back(), "capture");
  EXPECT_THAT(attempt.error, HasSubstr("the dump was tried"));
  EXPECT_THAT(attempt.reason, HasSubstr("did no work"));
}

TEST_F(AttemptTest, WorkAndSpeedOfALoadThatCountsItsWorkAreRecorded) {
  expect_survival();
  auto machine = std::make_unique<FakeVm>();
  const auto beat = [](std::uint64_t work, int seconds) {
    vm::Event event = FakeVm::event(EventKind::kHeartbeat);
    event.work = work;
    event.uptime = std::chrono::seconds(seconds);
    return event;
  };
  machine->reactions["start_program"] = {beat(0, 9), beat(100, 10), beat(300, 12), beat(500, 14),
                                         FakeVm::event(EventKind::kProgramExited, 0)};
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(attempt.work, 500u) << "what was done before the first heartbeat counts";
  EXPECT_EQ(attempt.work_per_second, 100.0);
}

TEST_F(AttemptTest, WithoutALoadSurvivingTheTimeIsEnough) {
  expect_survival();
  payload_.program.clear();
  const auto attempt = play(std::make_unique<FakeVm>());
  EXPECT_EQ(attempt.outcome, Outcome::kSurvived) << attempt.error;
}

TEST_F(AttemptTest, PanicWhileAFileIsSentIsACrash) {
  auto machine = std::make_unique<FakeVm>();
  machine->reactions["put_file"] = {FakeVm::event(EventKind::kPanicked),
                                    FakeVm::event(EventKind::kStopped)};
  machine->fails["put_file"] = Error{Blame::kKernel, "the guest is gone", ""};
  machine->fails["dump"] = Error{Blame::kRig, "the dump was tried", ""};
  const auto attempt = play(std::move(machine));
  EXPECT_THAT(attempt.error, HasSubstr("the dump was tried"));
}

TEST_F(AttemptTest, ReportThatBeganBeforeTheDeadlineIsWaitedFor) {
  auto machine = std::make_unique<FakeVm>();
  machine->reactions["start_program"] = {
      FakeVm::console("[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000106")};
  machine->fails["dump"] = Error{Blame::kRig, "the dump was tried", ""};
  const auto attempt = play(std::move(machine));
  EXPECT_THAT(attempt.error, HasSubstr("the dump was tried"));
}

TEST_F(AttemptTest, LoadKilledByTheOopsIsACrashNotALoadThatFailed) {
  auto machine = std::make_unique<FakeVm>();
  machine->reactions["start_program"] = {
      FakeVm::console("[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000106"),
      FakeVm::event(EventKind::kProgramExited, 137)};
  machine->fails["dump"] = Error{Blame::kRig, "the dump was tried", ""};
  const auto attempt = play(std::move(machine));
  EXPECT_THAT(attempt.error, HasSubstr("the dump was tried"));
}

TEST_F(AttemptTest, MissingDriverOfTheScenarioIsARigError) {
  payload_.drivers = {"sd-mod"};
  auto machine = std::make_unique<FakeVm>();
  machine->guest->module_errors = {"/lib/modules/x/sd_mod.ko: Invalid module format"};
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(attempt.outcome, Outcome::kRigError);
  EXPECT_THAT(attempt.error, HasSubstr("sd-mod did not load"));
}

TEST_F(AttemptTest, CancellationIsNoAttempt) {
  auto machine = std::make_unique<FakeVm>();
  machine->fails["wait_for_agent"] = Error{Blame::kCancelled, "stopped", ""};
  AttemptOptions options;
  options.folder = folder_.path();
  options.start = [&](const vm::VmConfig&) -> Result<std::unique_ptr<vm::Vm>> {
    return std::unique_ptr<vm::Vm>(std::move(machine));
  };
  const auto attempt = run_attempt(cell_, payload_, options);
  ASSERT_FALSE(attempt);
  EXPECT_EQ(attempt.error().blame, Blame::kCancelled);
}

}  // namespace
}  // namespace rig
