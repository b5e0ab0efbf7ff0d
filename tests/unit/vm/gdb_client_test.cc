// SPDX-License-Identifier: Apache-2.0
#include "vm/gdb_client.h"

#include <gmock/gmock.h>

#include "fakes/deadlines.h"
#include "fakes/scripted_gdbstub.h"

namespace rig::vm {
namespace {

using fakes::at_once;
using fakes::register_dump;
using fakes::ScriptedGdbstub;
using fakes::soon;
using testing::ElementsAre;
using testing::HasSubstr;

class GdbClientTest : public testing::Test {
 protected:
  void start(ScriptedGdbstub::Handler handler = {}) {
    stub_ = std::make_unique<ScriptedGdbstub>(std::move(handler));
    auto client = GdbClient::create(loop_, stub_->client(),
                                    [this](const GdbStop& stop) { stops_.push_back(stop); });
    ASSERT_TRUE(client);
    client_ = std::move(*client);
  }
  Result<std::uint64_t> locate(Arch arch, unsigned cpu) {
    std::optional<Result<std::uint64_t>> found;
    client_->locate(arch, cpu, [&](Result<std::uint64_t> at) { found = std::move(at); });
    loop_.run_until([&] { return found.has_value(); }, soon());
    return found.value_or(fail(Blame::kRig, "no answer"));
  }

  Loop loop_ = std::move(*Loop::create());
  std::unique_ptr<ScriptedGdbstub> stub_;
  std::vector<GdbStop> stops_;
  std::unique_ptr<GdbClient> client_;
};

TEST_F(GdbClientTest, BreakpointsAreHardwareOnes) {
  start();
  EXPECT_EQ(client_->insert(0xffffffff81a10b1d, soon()), true);
  EXPECT_TRUE(client_->remove(0xffffffff81a10b1d, soon()));
  EXPECT_THAT(stub_->requests(), ElementsAre("Z1,ffffffff81a10b1d,1", "z1,ffffffff81a10b1d,1"));
}

TEST_F(GdbClientTest, StubWithoutRoomForABreakpointIsNoFault) {
  start([](const std::string&) { return "E22"; });
  EXPECT_EQ(client_->insert(0x1000, soon()), false);
  EXPECT_FALSE(client_->remove(0x1000, soon()));
}

TEST_F(GdbClientTest, StopsAreToldWhileAnAnswerIsAwaited) {
  start([this](const std::string&) {
    stub_->packet("T05thread:02;");
    return "OK";
  });
  ASSERT_TRUE(client_->insert(0x1000, soon()));
  ASSERT_EQ(stops_.size(), 1u);
  EXPECT_EQ(stops_[0].cpu, 1u);
}

TEST_F(GdbClientTest, ProgramCounterIsWhereEachArchitectureHasIt) {
  start([](const std::string& request) {
    return request == "g" ? register_dump(128, 0x1111).replace(512, 16, "2222000000000000") : "OK";
  });
  EXPECT_EQ(locate(Arch::kX86_64, 1), 0x1111u);
  EXPECT_EQ(locate(Arch::kArm64, 9), 0x2222u);
  EXPECT_THAT(stub_->requests(), ElementsAre("Hg2", "g", "Hga", "g"));
}

TEST_F(GdbClientTest, RegistersThatAreNoneBreakTheConversation) {
  start([](const std::string& request) { return request == "g" ? "E14" : "OK"; });
  EXPECT_FALSE(locate(Arch::kX86_64, 0));
  EXPECT_THAT(client_->broken().value_or(""), HasSubstr("registers"));
  EXPECT_FALSE(client_->execute("g", soon()));
}

TEST_F(GdbClientTest, AnswerThatNobodyAskedForBreaksTheConversation) {
  start();
  stub_->packet("OK");
  loop_.run_until([this] { return client_->broken().has_value(); }, soon());
  EXPECT_THAT(client_->broken().value_or(""), HasSubstr("nobody asked"));
}

TEST_F(GdbClientTest, SilenceAndTheEndOfTheConnectionAreTheRigsFault) {
  start([](const std::string&) { return std::nullopt; });
  const auto silent = client_->execute("g", at_once());
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().blame, Blame::kRig);
  EXPECT_THAT(silent.error().what, HasSubstr("no answer to g in time"));
  stub_->hang_up();
  const auto closed = client_->execute("g", soon());
  ASSERT_FALSE(closed);
  EXPECT_THAT(closed.error().what, HasSubstr("closed"));
  EXPECT_FALSE(client_->broken());  // QEMU's end is told by its process
}

TEST_F(GdbClientTest, FiredStopTokenEndsTheWait) {
  start([](const std::string&) { return std::nullopt; });
  std::stop_source stop;
  stop.request_stop();
  const auto reply = client_->execute("g", soon(), stop.get_token());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().blame, Blame::kCancelled);
}

}  // namespace
}  // namespace rig::vm
