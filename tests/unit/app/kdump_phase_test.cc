// SPDX-License-Identifier: Apache-2.0
// Attempts whose core is the guest's own to take, over a scripted machine.
#include "kdump_phase.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "attempt.h"
#include "fakes/fake_vm.h"
#include "fakes/mapped_core.h"
#include "fakes/synthetic_core.h"
#include "guest/protocol.h"

namespace rig {
namespace {

using analyzer::fake::FakeVirtMemory;
using analyzer::fake::MappedCore;
using fakes::FakeVm;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using verdict::Outcome;
using vm::EventKind;

std::string vmcore() {
  MappedCore core(FakeVirtMemory(), "PAGESIZE=4096\n");
  core.cpu(0xffff'ffff'8100'0000, 0xffff'8880'0000'1000, 0);
  return core.core.bytes(fakes::CoreFormat::kElf);
}

class KdumpAttemptTest : public testing::Test {
 protected:
  KdumpAttemptTest() : folder_(std::move(*TempDir::create("kdump-attempt-test"))) {
    auto scenario = std::make_shared<scenario::Scenario>();
    scenario->name = "test";
    scenario->timeouts.boot = std::chrono::milliseconds(200);
    scenario->timeouts.crash = std::chrono::milliseconds(1500);
    cell_.scenario = scenario;
    cell_.kernel = "debian-6.1";
    cell_.detector.name = "none";
    cell_.detector.expect.report = scenario::ReportPredicate{};
    cell_.detector.expect.report->kind = "null-deref";
    cell_.variant.name = "faulty";
    payload_.module = folder_.path() / "driver.ko";
    payload_.program = folder_.path() / "load";
    payload_.kdump = KdumpPlan{.cmdline = "nr_cpus=1", .kernel = {}, .initramfs = {}, .level = 1};
    machine_->core = fakes::minimal_core();
    machine_->guest_files["/sys/kernel/kexec_crash_size"] = "134217728\n";
    machine_->guest_files[guest::kVmcorePath] = vmcore();
  }

  static vm::Event oops() {
    return FakeVm::console(
        "[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000106");
  }
  store::Attempt play() {
    AttemptOptions options;
    options.folder = folder_.path();
    options.start = [&](const vm::VmConfig& config) -> Result<std::unique_ptr<vm::Vm>> {
      breakpoints_ = config.breakpoints;
      return std::unique_ptr<vm::Vm>(std::move(machine_));
    };
    options.on_note = [&](std::string_view note) { notes_.emplace_back(note); };
    auto attempt = run_attempt(cell_, payload_, options);
    EXPECT_TRUE(attempt);
    return attempt ? std::move(*attempt) : store::Attempt{};
  }

  TempDir folder_;
  scenario::Cell cell_;
  Payload payload_;
  std::unique_ptr<FakeVm> machine_ = std::make_unique<FakeVm>();
  bool breakpoints_ = false;
  std::vector<std::string> notes_;
};

TEST_F(KdumpAttemptTest, CoreOfAPanicIsTheCaptureKernels) {
  machine_->reactions["start_program"] = {
      oops(), FakeVm::console("[    0.000000] Linux version 6.1.0-test"),
      FakeVm::event(EventKind::kCaptureHello)};
  const auto attempt = play();
  EXPECT_EQ(attempt.outcome, Outcome::kExpectedCrash) << attempt.error;
  EXPECT_EQ(attempt.captured_by, "kdump");
  EXPECT_EQ(attempt.core_format, "kdump-zlib");
  EXPECT_TRUE(fs::exists(folder_.path() / attempt.core));
  EXPECT_THAT(attempt.machine_core, IsEmpty());
  EXPECT_FALSE(breakpoints_);
}

TEST_F(KdumpAttemptTest, CaptureKernelIsLoadedBeforeAnythingIsInjected) {
  std::vector<std::string> order;
  class OrderVm : public FakeVm {
   public:
    explicit OrderVm(std::vector<std::string>& made) : order(made) {}
    Status load_crash_kernel(const vm::CrashKernel& kernel, Deadline deadline) override {
      order.push_back("crash kernel: " + kernel.cmdline);
      return FakeVm::load_crash_kernel(kernel, deadline);
    }
    Status load_module(std::string_view path, std::string_view params, Deadline deadline) override {
      order.push_back("module");
      return FakeVm::load_module(path, params, deadline);
    }
    std::vector<std::string>& order;
  };
  auto noting = std::make_unique<OrderVm>(order);
  noting->guest_files = machine_->guest_files;
  noting->reactions["start_program"] = {oops(), FakeVm::event(EventKind::kCaptureHello)};
  machine_ = std::move(noting);
  play();
  EXPECT_THAT(order, ElementsAre("crash kernel: nr_cpus=1", "module"));
}

TEST_F(KdumpAttemptTest, KernelThatLivesOnIsDumpedByTheMachine) {
  machine_->reactions["start_program"] = {oops(), FakeVm::event(EventKind::kStopped)};
  // Its agent is heard afterwards.
  machine_->reactions["wait_for_agent"] = {FakeVm::event(EventKind::kHeartbeat)};
  const auto attempt = play();
  EXPECT_EQ(attempt.outcome, Outcome::kExpectedCrash) << attempt.error;
  EXPECT_EQ(attempt.captured_by, "qmp");
  EXPECT_THAT(notes_, Contains(HasSubstr("did not panic")));
}

TEST_F(KdumpAttemptTest, CaptureKernelThatDoesNotComeUpIsTheRigsFaultAndTheMachinesCoreIsKept) {
  machine_->reactions["start_program"] = {oops(), FakeVm::event(EventKind::kStopped)};
  const auto attempt = play();
  EXPECT_EQ(attempt.outcome, Outcome::kRigError);
  EXPECT_THAT(attempt.error, HasSubstr("the capture kernel did not come up"));
  EXPECT_THAT(attempt.error, HasSubstr("its console said nothing"));
  EXPECT_EQ(attempt.captured_by, "qmp");
  EXPECT_TRUE(fs::exists(folder_.path() / attempt.core));
}

TEST_F(KdumpAttemptTest, GuestThatReservedNothingIsRefusedWithANextStep) {
  machine_->guest_files["/sys/kernel/kexec_crash_size"] = "0\n";
  const auto attempt = play();
  EXPECT_EQ(attempt.outcome, Outcome::kRigError);
  EXPECT_THAT(attempt.error, HasSubstr("reserved no memory"));
  EXPECT_THAT(attempt.error, HasSubstr("crashkernel="));
}

TEST_F(KdumpAttemptTest, KernelWithoutKexecIsToldApart) {
  machine_->guest_files.erase("/sys/kernel/kexec_crash_size");
  EXPECT_THAT(play().error, HasSubstr("cannot load a capture kernel"));
}

TEST_F(KdumpAttemptTest, BothCoresAreOfTheSameCrashAndAreCompared) {
  payload_.kdump->both = true;
  machine_->functions = {{"__crash_kexec", VirtAddr{0x10}}, {"panic", VirtAddr{0x20}}};
  vm::Event stop = FakeVm::event(EventKind::kBreakpoint);
  stop.address = VirtAddr{0x10};
  machine_->reactions["start_program"] = {oops(), stop};
  machine_->reactions["resume"] = {FakeVm::event(EventKind::kCaptureHello)};
  const auto attempt = play();
  EXPECT_EQ(attempt.outcome, Outcome::kExpectedCrash) << attempt.error;
  EXPECT_TRUE(breakpoints_);
  EXPECT_EQ(attempt.captured_by, "kdump");
  EXPECT_EQ(attempt.machine_core, "qmp/vmcore");
  EXPECT_FALSE(attempt.stopped);
  EXPECT_TRUE(fs::exists(folder_.path() / "qmp/vmcore"));
  EXPECT_TRUE(fs::exists(folder_.path() / "qmp/findings.json"));
}

TEST(CoreDifferences, AreWhatOnlyOneOfThemHas) {
  analyzer::Finding common{}, machines{}, kdumps{};
  common.kind = "double-free";
  common.summary = "object 0x1";
  machines.kind = "double-free";
  machines.summary = "object 0x2";
  kdumps.kind = "slab-damaged";
  kdumps.summary = "object 0x2";
  analyzer::Findings a, b;
  a.findings = {common, machines};
  b.findings = {kdumps, common};
  EXPECT_THAT(differences(a, b), ElementsAre("only the machine's: double-free: object 0x2",
                                             "only kdump's: slab-damaged: object 0x2"));
  EXPECT_THAT(differences(a, a), IsEmpty());
}

}  // namespace
}  // namespace rig
