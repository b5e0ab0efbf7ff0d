// SPDX-License-Identifier: Apache-2.0
// Command lines checked over a scripted guest: what ends a run, what does not, what is remembered.
#include "cmdline_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes/fake_vm.h"

namespace rig {
namespace {

using cmdline::State;
using fakes::FakeVm;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class CmdlineCheckTest : public testing::Test {
 protected:
  CmdlineCheckTest() : folder_(std::move(*TempDir::create("cmdline-check-test"))) {
    scenario_->file = "/rig/scenarios/test.yaml";
    scenario_->name = "test";
    scenario_->timeouts.boot = std::chrono::milliseconds(200);
    guest_["/proc/sys/kernel/panic"] = "5\n";
    guest_["/proc/kmsg"] = "<6>[    0.000000] Linux version 6.1\n";
    options_.start = [this](const vm::VmConfig& config) -> Result<std::unique_ptr<vm::Vm>> {
      ++boots_;
      auto machine = std::make_unique<FakeVm>();
      machine->guest_files = guest_;
      machine->guest_files["/proc/cmdline"] = config.cmdline + "\n";
      if (!boots_well_) machine->guest.reset();
      machine->fails = fails_;
      return std::unique_ptr<vm::Vm>(std::move(machine));
    };
    options_.identify = [this](const vm::VmConfig& config) -> Result<std::string> {
      return machine_ + " " + config.cmdline;
    };
    options_.cache = folder_.path() / "cmdline";
    options_.on_note = [this](std::string_view note) { notes_.emplace_back(note); };
  }

  void add_cell(std::vector<std::string> cmdline, std::vector<std::string> ignored_ok = {},
                std::string variant = "faulty") {
    scenario::Cell cell;
    cell.scenario = scenario_;
    cell.kernel = "debian-6.1";
    cell.detector.name = "none";
    cell.detector.cmdline = std::move(cmdline);
    cell.detector.ignored_ok = std::move(ignored_ok);
    cell.variant.name = std::move(variant);
    Payload payload;
    payload.kernel.release = "6.1.0-test";
    payload.cmdline = fmt::format("console=ttyS0 panic=-1 {}", fmt::join(cell.cmdline(), " "));
    cells_.push_back(std::move(cell));
    payloads_.push_back(std::move(payload));
  }

  Result<std::vector<CheckedCmdline>> check() {
    return check_cmdlines(cells_, payloads_, options_);
  }

  TempDir folder_;
  std::shared_ptr<scenario::Scenario> scenario_ = std::make_shared<scenario::Scenario>();
  std::map<std::string, std::string, std::less<>> guest_;
  std::map<std::string, Error, std::less<>> fails_;
  std::string machine_ = "qemu 7.2";
  CmdlineCheckOptions options_;
  std::vector<scenario::Cell> cells_;
  std::vector<Payload> payloads_;
  std::vector<std::string> notes_;
  bool boots_well_ = true;
  int boots_ = 0;
};

TEST_F(CmdlineCheckTest, EachCellGetsWhatBecameOfItsOwnParameters) {
  add_cell({"panic=5", "mitigations=off"});
  const auto checked = check();
  ASSERT_TRUE(checked) << checked.error().message();
  ASSERT_EQ((*checked)[0].effects.size(), 2u) << "the rig's own are not the scenario's";
  EXPECT_EQ((*checked)[0].effects[0].parameter, "panic=5");
  EXPECT_EQ((*checked)[0].effects[0].state, State::kEffective);
  EXPECT_EQ((*checked)[0].effects[1].state, State::kNotCheckable);
}

TEST_F(CmdlineCheckTest, ACellWithoutParametersBootsNothing) {
  add_cell({});
  ASSERT_TRUE(check());
  EXPECT_EQ(boots_, 0);
}

TEST_F(CmdlineCheckTest, AllThatIsWrongIsToldAtOnceAndIsTheInputsFault) {
  guest_["/proc/kmsg"] = "Unknown kernel command line parameters \"slub_debgu=FZPU\", will be\n";
  add_cell({"slub_debgu=FZPU", "panic=7"});
  add_cell({"slub_debgu=FZPU", "panic=7"}, {}, "fixed");
  const auto checked = check();
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().blame, Blame::kInput);
  EXPECT_EQ(checked.error().what,
            "test.yaml: x86_64/debian-6.1/none: slub_debgu=FZPU is unknown to the kernel "
            "6.1.0-test, did you mean 'slub_debug'?: the log lists it among 'Unknown kernel "
            "command line parameters'\n"
            "test.yaml: x86_64/debian-6.1/none: panic=7 has no effect in 6.1.0-test: "
            "/proc/sys/kernel/panic is 5");
  EXPECT_THAT(checked.error().hint, HasSubstr("ignored_ok: [panic, slub_debgu]"));
}

TEST_F(CmdlineCheckTest, WhatIsDeclaredIsRecordedAndGoesOn) {
  add_cell({"panic=7", "no_kvmapf"}, {"panic", "no-kvmapf"});
  const auto checked = check();
  ASSERT_TRUE(checked) << checked.error().message();
  EXPECT_EQ((*checked)[0].effects[0].state, State::kIneffective);
  EXPECT_EQ((*checked)[0].effects[1].state, State::kIneffective);
}

TEST_F(CmdlineCheckTest, VariantsShareABootAndAnotherLineHasItsOwn) {
  add_cell({"panic=5"});
  add_cell({"panic=5"}, {}, "fixed");
  add_cell({"panic=5", "mitigations=off"});
  ASSERT_TRUE(check());
  EXPECT_EQ(boots_, 2);
}

TEST_F(CmdlineCheckTest, AnAnswerIsRememberedUntilTheMachineIsAnother) {
  add_cell({"panic=5"});
  ASSERT_TRUE(check());
  const auto again = check();
  ASSERT_TRUE(again);
  EXPECT_EQ(boots_, 1);
  EXPECT_EQ((*again)[0].effects.at(0).how, "/proc/sys/kernel/panic is 5");
  machine_ = "qemu 8.0";
  ASSERT_TRUE(check());
  EXPECT_EQ(boots_, 2);
}

TEST_F(CmdlineCheckTest, ARememberedFailureFailsAgainWithoutABoot) {
  add_cell({"panic=7"});
  EXPECT_FALSE(check());
  EXPECT_FALSE(check());
  EXPECT_EQ(boots_, 1);
}

TEST_F(CmdlineCheckTest, ADamagedAnswerIsAskedForAgain) {
  add_cell({"panic=5"});
  ASSERT_TRUE(check());
  for (const auto& entry : fs::directory_iterator(options_.cache)) {
    const std::string text = read_file(entry.path()).value();
    ASSERT_TRUE(write_file_atomically(entry.path(), text.substr(0, text.size() - 3)));
  }
  ASSERT_TRUE(check());
  EXPECT_EQ(boots_, 2);
}

TEST_F(CmdlineCheckTest, AGuestThatDoesNotBootIsLeftToItsAttempts) {
  boots_well_ = false;
  add_cell({"panic=5"});
  const auto checked = check();
  ASSERT_TRUE(checked) << checked.error().message();
  EXPECT_THAT((*checked)[0].effects, IsEmpty());
  EXPECT_THAT((*checked)[0].not_checked, HasSubstr("did not boot"));
  ASSERT_EQ(notes_.size(), 1u);
  boots_well_ = true;
  EXPECT_THAT((*check())[0].effects, Not(IsEmpty())) << "that is nothing to remember";
}

TEST_F(CmdlineCheckTest, AGuestThatDiesMeanwhileHasNotShownThatFilesAreAbsent) {
  fails_["power_off"] = Error{Blame::kKernel, "the guest panicked", ""};
  add_cell({"panic=7"});
  const auto checked = check();
  ASSERT_TRUE(checked) << checked.error().message();
  EXPECT_THAT((*checked)[0].not_checked, HasSubstr("died"));
}

TEST_F(CmdlineCheckTest, AFaultOfTheRigIsNoVerdictOnAParameter) {
  fails_["get_file"] = Error{Blame::kRig, "the agent is silent", ""};
  add_cell({"panic=5"});
  const auto checked = check();
  ASSERT_TRUE(checked) << checked.error().message();
  EXPECT_THAT((*checked)[0].not_checked, HasSubstr("the agent is silent"));
}

TEST_F(CmdlineCheckTest, CancellingEndsIt) {
  fails_["get_file"] = Error{Blame::kCancelled, "interrupted", ""};
  add_cell({"panic=5"});
  const auto checked = check();
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().blame, Blame::kCancelled);
}

}  // namespace
}  // namespace rig
