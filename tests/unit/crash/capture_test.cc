// SPDX-License-Identifier: Apache-2.0
#include "crash/capture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes/fake_vm.h"

namespace rig::crash {
namespace {

using fakes::FakeVm;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CaptureTest : public ::testing::Test {
 protected:
  Result<Capture> run() {
    return capture(machine_, folder_.path() / "new", vm::DumpFormat::kKdumpZlib, {},
                   Deadline::after(std::chrono::seconds(5)));
  }
  FakeVm machine_;
  TempDir folder_ = *TempDir::create("capture-test");
};

TEST_F(CaptureTest, StopsThenDumpsAndTellsTheSize) {
  const auto result = run();
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result->path, folder_.path() / "new" / "vmcore");
  EXPECT_EQ(result->bytes, machine_.core.size());
  EXPECT_THAT(machine_.calls(), ElementsAre("stop", "dump " + result->path.string()));
}

TEST_F(CaptureTest, FailedDumpIsTheRigsFaultAndLeavesNothing) {
  machine_.fails["dump"] = Error{Blame::kKernel, "No space left on device", "free 1 GB"};
  const auto result = run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().blame, Blame::kRig);
  EXPECT_THAT(result.error().message(), HasSubstr("No space left on device"));
  EXPECT_EQ(result.error().hint, "free 1 GB");
  EXPECT_FALSE(fs::exists(folder_.path() / "new" / "vmcore"));
}

TEST_F(CaptureTest, EmptyCoreIsAFailure) {
  machine_.core.clear();
  EXPECT_FALSE(run());
  EXPECT_FALSE(fs::exists(folder_.path() / "new" / "vmcore"));
}

TEST_F(CaptureTest, GuestThatCannotBeStoppedIsNotDumped) {
  machine_.fails["stop"] = Error{Blame::kRig, "QMP: connection closed", ""};
  EXPECT_FALSE(run());
  EXPECT_EQ(machine_.count("dump"), 0u);
}

TEST_F(CaptureTest, CtrlCStaysCancelled) {
  machine_.fails["dump"] = Error{Blame::kCancelled, "cancelled", ""};
  EXPECT_EQ(run().error().blame, Blame::kCancelled);
}

}  // namespace
}  // namespace rig::crash
