// SPDX-License-Identifier: Apache-2.0
// An attempt over a machine that follows a script.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "attempt.h"
#include "fakes/fake_vm.h"
#include "fakes/synthetic_core.h"

namespace rig {

class AttemptTest : public testing::Test {
 protected:
  AttemptTest() : folder_(std::move(*TempDir::create("attempt-test"))) {
    auto scenario = std::make_shared<scenario::Scenario>();
    scenario->name = "test";
    scenario->timeouts.boot = std::chrono::milliseconds(200);
    scenario->timeouts.crash = std::chrono::milliseconds(1500);
    scenario->timeouts.no_work = std::chrono::milliseconds(500);
    scenario_ = scenario;
    cell_.scenario = scenario_;
    cell_.kernel = "debian-6.1";
    cell_.detector.name = "none";
    cell_.detector.expect.report = scenario::ReportPredicate{};
    cell_.detector.expect.report->kind = "null-deref";
    cell_.variant.name = "faulty";
    payload_.kernel.release = "6.1.0-test";
    payload_.module = folder_.path() / "driver.ko";
    payload_.module_params = "late_write=1";
    payload_.program = folder_.path() / "load";
    payload_.program_args = {"--seconds", "8"};
  }

  store::Attempt play(std::unique_ptr<fakes::FakeVm> machine) {
    machine_ = machine.get();
    AttemptOptions options;
    options.folder = folder_.path();
    options.stop = stop_.get_token();
    options.start = [&](const vm::VmConfig&) -> Result<std::unique_ptr<vm::Vm>> {
      return std::unique_ptr<vm::Vm>(std::move(machine));
    };
    options.on_phase = [&](std::string_view phase) { phases_.emplace_back(phase); };
    auto attempt = run_attempt(cell_, payload_, options);
    EXPECT_TRUE(attempt);
    return attempt ? std::move(*attempt) : store::Attempt{};
  }

  void expect_survival() {
    cell_.variant.survives = true;
    cell_.variant.name = "fixed";
  }

  TempDir folder_;
  std::shared_ptr<const scenario::Scenario> scenario_;
  scenario::Cell cell_;
  Payload payload_;
  std::stop_source stop_;
  std::vector<std::string> phases_;
  fakes::FakeVm* machine_ = nullptr;
};

}  // namespace rig
