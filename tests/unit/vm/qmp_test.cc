// SPDX-License-Identifier: Apache-2.0
#include "vm/qmp.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "fakes/deadlines.h"
#include "fakes/scripted_qmp.h"

namespace rig::vm {
namespace {

using fakes::at_once;
using fakes::ScriptedQmp;
using fakes::soon;
using testing::ElementsAre;
using testing::HasSubstr;

class QmpTest : public testing::Test {
 protected:
  void connect(ScriptedQmp& server) {
    auto qmp =
        Qmp::create(loop_, server.client(), [this](const QmpEvent& e) { events_.push_back(e); });
    ASSERT_TRUE(qmp) << qmp.error().message();
    qmp_ = std::move(*qmp);
    version_ = qmp_->connect(soon());
  }
  Error error_of(std::string_view command) {
    const auto reply = qmp_->execute(command, {}, soon());
    EXPECT_FALSE(reply);
    return reply ? Error{} : reply.error();
  }

  Loop loop_ = Loop::create().value();
  std::vector<QmpEvent> events_;
  std::unique_ptr<Qmp> qmp_;
  Result<std::string> version_;
};

TEST_F(QmpTest, GreetingGivesVersionAndPackageAndCapabilitiesAreNegotiated) {
  ScriptedQmp server;
  connect(server);
  ASSERT_TRUE(version_) << version_.error().message();
  EXPECT_EQ(*version_, "7.2.22 (Debian 1:7.2)");
  EXPECT_THAT(server.commands(), ElementsAre("qmp_capabilities"));
}

TEST_F(QmpTest, AnswersReachTheCommandTheyBelongToAlsoOutOfOrder) {
  std::string held;
  ScriptedQmp server({{"first",
                       [&](ScriptedQmp&, ScriptedQmp::Call& call) {
                         held = ScriptedQmp::ok(call, R"({"n": 1})");
                         return std::string();
                       }},
                      {"second", [&](ScriptedQmp&, ScriptedQmp::Call& call) {
                         return ScriptedQmp::ok(call, R"({"n": 2})") + held;
                       }}});
  connect(server);
  std::optional<Qmp::Reply> first;
  qmp_->send("first", {}, [&](Qmp::Reply reply) { first = std::move(reply); });
  const auto second = qmp_->execute("second", {}, soon());
  loop_.run_until([&] { return first.has_value(); }, soon());
  ASSERT_TRUE(second && first && *first);
  EXPECT_EQ(second->at("n").as_int64(), 2);
  EXPECT_EQ((*first)->at("n").as_int64(), 1);
}

TEST_F(QmpTest, EventsBetweenCommandAndAnswerAreSeenInOrder) {
  ScriptedQmp server({{"stop", [](ScriptedQmp& qmp, ScriptedQmp::Call& call) {
                         qmp.event("SHUTDOWN", R"({"guest": true, "reason": "guest-reset"})");
                         qmp.event("STOP");
                         return ScriptedQmp::ok(call);
                       }}});
  connect(server);
  ASSERT_TRUE(qmp_->execute("stop", {}, soon()));
  ASSERT_EQ(events_.size(), 2u);
  EXPECT_EQ(events_[0].name, "SHUTDOWN");
  EXPECT_EQ(events_[0].text("reason"), "guest-reset");
  EXPECT_TRUE(events_[0].flag("guest"));
  EXPECT_EQ(events_[0].text("nothing"), "");
  EXPECT_EQ(events_[1].name, "STOP");
}

TEST_F(QmpTest, RefusalNamesTheCommandAndQuotesQemu) {
  ScriptedQmp server({{"dump", [](ScriptedQmp&, ScriptedQmp::Call& call) {
                         return ScriptedQmp::refuse(call, "there is a dump in process");
                       }}});
  connect(server);
  const Error error = error_of("dump");
  EXPECT_EQ(error.blame, Blame::kRig);
  EXPECT_THAT(error.what, HasSubstr("dump: there is a dump in process"));
  EXPECT_FALSE(qmp_->broken());
}

TEST_F(QmpTest, GarbledLineEndsTheConnectionAndIsQuoted) {
  ScriptedQmp server({{"stop", [](ScriptedQmp&, ScriptedQmp::Call&) {
                         return std::string("{\"return\": nonsense\n");
                       }}});
  connect(server);
  EXPECT_THAT(error_of("stop").what, HasSubstr("not JSON: '{\"return\": nonsense'"));
  EXPECT_TRUE(qmp_->broken());
  EXPECT_THAT(error_of("cont").what, HasSubstr("cannot send cont"));
}

TEST_F(QmpTest, AnswerToNothingThatWasAskedIsAnError) {
  ScriptedQmp server({{"stop", [](ScriptedQmp&, ScriptedQmp::Call&) {
                         return std::string("{\"return\": {}, \"id\": 4711}\n");
                       }}});
  connect(server);
  EXPECT_THAT(error_of("stop").what, HasSubstr("answer to nothing"));
}

TEST_F(QmpTest, EndlessLineIsAnErrorAndNotKept) {
  ScriptedQmp server({{"stop", [](ScriptedQmp&, ScriptedQmp::Call&) {
                         return std::string(Qmp::kMaxLine + 100, '{');
                       }}});
  connect(server);
  EXPECT_THAT(error_of("stop").what, HasSubstr("a line of more than"));
}

TEST_F(QmpTest, HangUpFailsTheCommandInProgress) {
  ScriptedQmp server({{"stop", [](ScriptedQmp& qmp, ScriptedQmp::Call&) {
                         qmp.hang_up();
                         return std::string();
                       }}});
  connect(server);
  EXPECT_THAT(error_of("stop").what, HasSubstr("connection closed while waiting for stop"));
}

TEST_F(QmpTest, SilenceEndsAtTheDeadlineAndALateAnswerDoesNoHarm) {
  std::string late;
  ScriptedQmp server({{"slow",
                       [&](ScriptedQmp&, ScriptedQmp::Call& call) {
                         late = ScriptedQmp::ok(call);
                         return std::string();
                       }},
                      {"next", [&](ScriptedQmp&, ScriptedQmp::Call& call) {
                         return late + ScriptedQmp::ok(call);
                       }}});
  connect(server);
  const auto reply = qmp_->execute("slow", {}, at_once());
  ASSERT_FALSE(reply);
  EXPECT_THAT(reply.error().what, HasSubstr("no answer to slow in time"));
  EXPECT_TRUE(qmp_->execute("next", {}, soon()));
}

TEST_F(QmpTest, NoGreetingIsAnError) {
  ScriptedQmp server({}, "");
  qmp_ = Qmp::create(loop_, server.client(), [](const QmpEvent&) {}).value();
  const auto version = qmp_->connect(at_once());
  ASSERT_FALSE(version);
  EXPECT_THAT(version.error().what, HasSubstr("no greeting"));
}

TEST_F(QmpTest, StopTokenEndsTheWait) {
  ScriptedQmp server({{"slow", [](ScriptedQmp&, ScriptedQmp::Call&) { return std::string(); }}});
  connect(server);
  std::stop_source source;
  std::thread user([&] { source.request_stop(); });
  const auto reply = qmp_->execute("slow", {}, soon(), source.get_token());
  user.join();
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().blame, Blame::kCancelled);
}

TEST_F(QmpTest, DescriptorTravelsWithItsCommand) {
  ScriptedQmp server({{"getfd", [](ScriptedQmp&, ScriptedQmp::Call& call) {
                         const bool written = call.fd && ::write(call.fd.get(), "core", 4) == 4;
                         return written ? ScriptedQmp::ok(call)
                                        : ScriptedQmp::refuse(call, "no descriptor");
                       }}});
  connect(server);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  ASSERT_TRUE(qmp_->execute("getfd", {{"fdname", "x"}}, soon(), {}, writing.get()));
  writing.reset();
  char buffer[8];
  EXPECT_EQ(::read(reading.get(), buffer, sizeof buffer), 4);
}

}  // namespace
}  // namespace rig::vm
