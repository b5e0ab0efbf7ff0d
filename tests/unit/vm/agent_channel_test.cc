// SPDX-License-Identifier: Apache-2.0
#include "vm/agent_channel.h"

#include <gmock/gmock.h>

namespace rig::vm {
namespace {

using testing::HasSubstr;

// The agent's side is written with the protocol itself.
class AgentChannelTest : public testing::Test {
 protected:
  template <class M>
  void agent_says(std::uint32_t id, const M& message) {
    channel_.feed(*guest::encode_frame(id, message));
  }
  void say_hello(std::uint64_t capture = 0) {
    guest::Hello hello;
    hello.capture = capture;
    hello.release = "6.1.0";
    hello.boot_ns = 2'000'000'000;
    hello.module_errors = {"i6300esb.ko: No such device"};
    agent_says(0, hello);
  }
  // Requests as the agent sees them.
  std::optional<guest::Frame> sent() {
    decoder_.feed(std::exchange(sent_, {}));
    return decoder_.next();
  }
  std::string why() const { return channel_.broken() ? channel_.broken()->what : ""; }

  std::string sent_;
  guest::FrameDecoder decoder_;
  std::vector<Event> events_;
  AgentChannel channel_{{.send = [this](std::string bytes) { sent_ += bytes; },
                         .on_event = [this](Event event) { events_.push_back(event); }}};
};

TEST_F(AgentChannelTest, HelloTellsAboutTheGuestAndIsAnEvent) {
  EXPECT_FALSE(channel_.info());
  say_hello();
  ASSERT_TRUE(channel_.info());
  EXPECT_EQ(channel_.info()->release, "6.1.0");
  EXPECT_EQ(channel_.info()->boot_time, std::chrono::seconds(2));
  EXPECT_EQ(channel_.info()->module_errors.size(), 1u);
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_EQ(events_[0].kind, EventKind::kHello);
}

TEST_F(AgentChannelTest, RequestCarriesItsFieldsAndDoneAnswersIt) {
  const auto id = channel_.request(guest::WriteSysctl{.name = "kernel.panic", .value = "1"});
  ASSERT_TRUE(id);
  const auto frame = sent();
  ASSERT_TRUE(frame && frame->as<guest::WriteSysctl>());
  EXPECT_EQ(frame->id, *id);
  EXPECT_EQ(frame->as<guest::WriteSysctl>()->name, "kernel.panic");
  EXPECT_FALSE(channel_.answered(*id));
  agent_says(*id, guest::Done{.error = 2, .what = "open: No such file or directory"});
  ASSERT_TRUE(channel_.answered(*id));
  const auto answer = channel_.take_answer(*id);
  EXPECT_EQ(answer.error, 2u);
  EXPECT_EQ(answer.what, "open: No such file or directory");
}

TEST_F(AgentChannelTest, HeartbeatsCarryWorkAndUptime) {
  agent_says(0, guest::Heartbeat{.uptime_ns = 5, .sequence = 0, .work = 77, .programs = 0});
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_EQ(events_[0].kind, EventKind::kHeartbeat);
  EXPECT_EQ(events_[0].work, 77u);
  EXPECT_EQ(events_[0].uptime, std::chrono::nanoseconds(5));
}

TEST_F(AgentChannelTest, WatchdogIsAnsweredWithTheTimeThatItWasSetTo) {
  const auto id = channel_.request(guest::ArmWatchdog{.seconds = 10});
  ASSERT_TRUE(id);
  const auto frame = sent();
  ASSERT_TRUE(frame && frame->as<guest::ArmWatchdog>());
  EXPECT_EQ(frame->as<guest::ArmWatchdog>()->seconds, 10u);
  EXPECT_FALSE(channel_.answered(*id));
  agent_says(*id, guest::WatchdogArmed{.seconds = 12});
  ASSERT_TRUE(channel_.answered(*id));
  EXPECT_EQ(channel_.take_answer(*id).seconds, 12u);
}

TEST_F(AgentChannelTest, WatchdogThatNobodyAskedForBreaksTheProtocol) {
  const auto id = channel_.request(guest::ReadFile{.path = "/proc/version"});
  agent_says(*id, guest::WatchdogArmed{.seconds = 12});
  EXPECT_THAT(why(), HasSubstr("a watchdog for request"));
}

TEST_F(AgentChannelTest, FileComesInPieces) {
  const auto id = channel_.request(guest::ReadFile{.path = "/proc/version"});
  agent_says(*id, guest::FileChunk{.bytes = "Linux "});
  agent_says(*id, guest::FileChunk{.bytes = "6.1"});
  agent_says(*id, guest::Done{});
  EXPECT_EQ(channel_.take_answer(*id).file, "Linux 6.1");
}

TEST_F(AgentChannelTest, ProgramsOutputAndExitAreEvents) {
  const auto id = channel_.request(guest::RunProgram{.argv = {"/bin/x"}, .environment = {}});
  channel_.let_run(*id);
  agent_says(*id, guest::Output{.descriptor = 2, .bytes = "oh"});
  agent_says(*id, guest::Exited{.code = 0, .signal = 11});
  ASSERT_EQ(events_.size(), 2u);
  EXPECT_EQ(events_[0].kind, EventKind::kProgramOutput);
  EXPECT_EQ(events_[0].text, "oh");
  EXPECT_TRUE(events_[0].is_stderr);
  EXPECT_EQ(events_[1].kind, EventKind::kProgramExited);
  EXPECT_EQ(events_[1].code, 139);
  EXPECT_FALSE(channel_.broken());
  agent_says(*id, guest::Output{.bytes = "ghost"});
  EXPECT_THAT(why(), HasSubstr("which does not run"));
}

TEST_F(AgentChannelTest, AnswerToNothingBreaksTheProtocol) {
  agent_says(99, guest::Done{});
  ASSERT_TRUE(channel_.broken());
  EXPECT_EQ(channel_.broken()->blame, Blame::kRig);
  EXPECT_THAT(why(), HasSubstr("Done for request 99"));
}

TEST_F(AgentChannelTest, SecondAnswerBreaksTheProtocol) {
  const auto id = channel_.request(guest::AskHello{});
  agent_says(*id, guest::Done{});
  EXPECT_THAT(why(), HasSubstr("not open"));
}

TEST_F(AgentChannelTest, FileNobodyAskedForBreaksTheProtocol) {
  const auto id = channel_.request(guest::WriteSysctl{.name = "a", .value = "b"});
  agent_says(*id, guest::FileChunk{.bytes = "x"});
  EXPECT_THAT(why(), HasSubstr("a file for request"));
}

TEST_F(AgentChannelTest, GarbageBreaksTheProtocolAndNothingIsTakenAfterIt) {
  channel_.feed("Kernel panic - not syncing");
  EXPECT_THAT(why(), HasSubstr("bad magic"));
  say_hello();
  EXPECT_FALSE(channel_.info());
  EXPECT_TRUE(events_.empty());
}

TEST_F(AgentChannelTest, OtherVersionIsNamed) {
  std::string frame = *guest::encode_frame(0, guest::Heartbeat{});
  frame[4] = 9;
  channel_.feed(frame);
  EXPECT_THAT(why(), HasSubstr("it speaks version 9, we speak 1"));
}

TEST_F(AgentChannelTest, MalformedMessageBreaksTheProtocol) {
  std::string frame = *guest::encode_frame(0, guest::Heartbeat{});
  frame[12] = static_cast<char>(frame[12] - 8);  // one field less
  channel_.feed(frame.substr(0, frame.size() - 8));
  EXPECT_THAT(why(), HasSubstr("malformed message of type 2"));
}

TEST_F(AgentChannelTest, RequestsComingFromTheGuestBreakTheProtocol) {
  agent_says(1, guest::PowerOff{});
  EXPECT_THAT(why(), HasSubstr("unexpected message type 39"));
}

TEST_F(AgentChannelTest, StartingOverIsABreach) {
  say_hello();
  say_hello();
  EXPECT_THAT(why(), HasSubstr("started over"));
}

TEST_F(AgentChannelTest, OversizedRequestIsTheCallersFault) {
  const auto id =
      channel_.request(guest::WriteSysctl{.name = "x", .value = std::string(2 << 20, 'y')});
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().blame, Blame::kInput);
  EXPECT_TRUE(sent_.empty());
}

TEST_F(AgentChannelTest, CaptureKernelsAgentTakesOver) {
  say_hello();
  const auto before = channel_.request(guest::ReadFile{.path = "/a"});
  channel_.expect_capture();
  const std::string cut = *guest::encode_frame(*before, guest::FileChunk{.bytes = "half of it"});
  channel_.feed(cut.substr(0, cut.size() / 2));
  say_hello(1);
  ASSERT_EQ(events_.size(), 2u) << why();
  EXPECT_EQ(events_[1].kind, EventKind::kCaptureHello);
  EXPECT_TRUE(channel_.in_capture_kernel());
  EXPECT_FALSE(channel_.answered(*before));

  // It may still answer what it never was to hear; that is nobody's.
  agent_says(*before, guest::Done{.error = 2, .what = "open /a"});
  const auto after = channel_.request(guest::ReadFile{.path = "/b"});
  agent_says(*after, guest::FileChunk{.bytes = "b"});
  agent_says(*after, guest::Done{});
  EXPECT_EQ(channel_.take_answer(*after).file, "b");
  EXPECT_FALSE(channel_.broken()) << why();
  say_hello(1);
  EXPECT_THAT(why(), HasSubstr("started over")) << "once";
}

TEST_F(AgentChannelTest, CaptureKernelNobodyLoadedIsABreach) {
  say_hello();
  say_hello(1);
  EXPECT_THAT(why(), HasSubstr("started over"));
}

TEST_F(AgentChannelTest, PartsOfAFileGoToWhoAskedUntilHeLetsGo) {
  std::string got;
  const auto id = channel_.read_ranges({.path = "/proc/vmcore", .ranges = {0, 8}},
                                       [&](std::uint64_t offset, std::string_view bytes) {
                                         got += fmt::format("{}{} ", offset, bytes);
                                       });
  agent_says(*id, guest::FileExtent{.offset = 0, .bytes = "ab"});
  agent_says(*id, guest::FileExtent{.offset = 4, .bytes = "cd"});
  channel_.let_go(*id);
  agent_says(*id, guest::FileExtent{.offset = 6, .bytes = "ef"});
  EXPECT_EQ(got, "0ab 4cd ");
  agent_says(*id, guest::Done{});
  EXPECT_TRUE(channel_.answered(*id));
  agent_says(*id, guest::FileExtent{.offset = 6, .bytes = "ef"});
  EXPECT_THAT(why(), HasSubstr("not open"));
}

}  // namespace
}  // namespace rig::vm
