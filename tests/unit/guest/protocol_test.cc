// SPDX-License-Identifier: Apache-2.0
#include "guest/protocol.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace rig::guest {
namespace {

// A frame of `message`, which is known to fit.
template <class M>
std::string framed(std::uint32_t id, const M& message) {
  return encode_frame(id, message).value();
}

std::optional<Frame> decode_one(std::string_view bytes) {
  FrameDecoder decoder;
  decoder.feed(bytes);
  return decoder.next();
}

template <class M>
void expect_round_trip(const M& message) {
  const std::optional<Frame> frame = decode_one(framed(7, message));
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->type, M::kType);
  EXPECT_EQ(frame->id, 7u);
  const std::optional<M> back = frame->as<M>();
  ASSERT_TRUE(back);
  EXPECT_EQ(M::fields(*back), M::fields(message));
}

Hello sample_hello() {
  return {.release = "6.1.0-56-amd64",
          .version = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2",
          .machine = "x86_64",
          .cmdline = "console=ttyS0 oops=panic",
          .boot_ns = 1'234'567'890,
          .cpus = 2,
          .memory_bytes = std::uint64_t{512} << 20,
          .module_errors = {"/lib/a.ko: No such device", ""},
          .capture = 1};
}

TEST(Message, EveryMessageSurvivesTheRoundTrip) {
  expect_round_trip(sample_hello());
  expect_round_trip(Heartbeat{.uptime_ns = 1, .sequence = 2, .work = 3, .programs = 4});
  expect_round_trip(Done{.error = 2, .what = "open /x: No such file or directory"});
  expect_round_trip(Output{.descriptor = 2, .bytes = std::string("a\0b", 3)});
  expect_round_trip(Exited{.code = 0, .signal = 9, .timed_out = 1, .cpu_ns = 5});
  expect_round_trip(FileChunk{.bytes = std::string(kMaxChunk, '\xff')});
  expect_round_trip(AskHello{});
  expect_round_trip(WriteSysctl{.name = "kernel.panic_on_warn", .value = "1"});
  expect_round_trip(PutFile{.path = "/tmp/m.ko", .mode = 0755, .size = 12});
  expect_round_trip(ReadFile{.path = "/proc/kallsyms", .limit = 99});
  expect_round_trip(LoadModule{.path = "/tmp/m.ko", .params = "late_write=1"});
  expect_round_trip(RunProgram{.argv = {"/bin/x", "", "-v"},
                               .environment = {"A=b"},
                               .timeout_ms = 5,
                               .address_space_bytes = std::numeric_limits<std::uint64_t>::max()});
  expect_round_trip(KillProgram{.program = 3, .signal = 15});
  expect_round_trip(ArmWatchdog{.seconds = 10});
  expect_round_trip(WatchdogArmed{.seconds = 12});
  expect_round_trip(PowerOff{});
  expect_round_trip(LoadCrashKernel{.kernel = "/k", .initramfs = "/i", .cmdline = "nr_cpus=1"});
  expect_round_trip(LoadCrashSegments{
      .entry = 1, .files = {"/k", "/i"}, .blobs = {"tree"}, .places = {1, 2, 3, 4, 5, 6}});
  expect_round_trip(ReadRanges{.path = "/proc/vmcore", .ranges = {0, 4096, ~0ull, 1}});
  expect_round_trip(FileExtent{.offset = 4096, .bytes = "x"});
}

TEST(Message, EveryShortenedPayloadIsRefused) {
  const std::string payload = encode(sample_hello()).value();
  for (std::size_t size = 0; size < payload.size(); ++size) {
    EXPECT_FALSE(decode<Hello>(std::string_view(payload).substr(0, size))) << size;
  }
}

TEST(Message, BytesLeftOverAreRefused) {
  EXPECT_FALSE(decode<Heartbeat>(encode(Heartbeat{}).value() + '\0'));
  EXPECT_FALSE(decode<PowerOff>("x"));
}

TEST(Message, AStringLongerThanThePayloadIsRefused) {
  EXPECT_FALSE(
      decode<FileChunk>(std::string_view("\xff\xff\xff\xff"
                                         "abc",
                                         7)));
}

TEST(Message, AListLongerThanThePayloadIsRefusedWithoutAllocatingIt) {
  RunProgram message;
  std::string payload = encode(message).value();
  payload.replace(0, 4, "\xff\xff\xff\x7f");
  EXPECT_FALSE(decode<RunProgram>(payload));
}

TEST(Message, OneThatDoesNotFitIsNotEncoded) {
  FileChunk chunk;
  chunk.bytes.assign(kMaxPayload - 4, 'x');
  EXPECT_TRUE(encode(chunk));
  chunk.bytes.push_back('x');
  EXPECT_FALSE(encode(chunk));
  EXPECT_FALSE(encode_frame(1, chunk));
}

TEST(PayloadWriter, FailureIsFinal) {
  PayloadWriter writer;
  writer.put(std::string(kMaxPayload, 'x'));
  writer.put(std::uint64_t{1});
  EXPECT_FALSE(writer.ok());
  EXPECT_FALSE(std::move(writer).take());
}

TEST(PayloadReader, FailureIsFinalAndLeavesTheTargetsAlone) {
  PayloadReader reader("1234567");
  std::uint64_t number = 42;
  std::string text = "kept";
  reader.get(number);
  reader.get(text);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(number, 42u);
  EXPECT_EQ(text, "kept");
}

TEST(Frame, IsNotReadAsAnotherMessage) {
  const std::optional<Frame> frame = decode_one(framed(1, AskHello{}));
  ASSERT_TRUE(frame);
  EXPECT_FALSE(frame->as<PowerOff>());
  EXPECT_TRUE(frame->as<AskHello>());
}

TEST(Frame, BytesOnTheWireAreLittleEndianWhateverTheHost) {
  const std::string expected(
      "CRG1\x01\0\x03\0\x04\x03\x02\x01\x0e\0\0\0"
      "\x02\0\0\0\0\0\0\0\x02\0\0\0no",
      30);
  EXPECT_EQ(framed(0x01020304, Done{.error = 2, .what = "no"}), expected);
}

TEST(FrameDecoder, FramesFedByteByByteComeOutWhole) {
  const std::string stream = framed(0, sample_hello()) + framed(5, Done{}) + framed(6, PowerOff{});
  FrameDecoder decoder;
  std::vector<MessageType> seen;
  for (const char byte : stream) {
    decoder.feed(std::string_view(&byte, 1));
    while (const std::optional<Frame> frame = decoder.next()) seen.push_back(frame->type);
  }
  EXPECT_EQ(seen, (std::vector{MessageType::kHello, MessageType::kDone, MessageType::kPowerOff}));
  EXPECT_EQ(decoder.error(), FrameError::kNone);
}

TEST(FrameDecoder, FramesFedAtOnceComeOutOneByOne) {
  FrameDecoder decoder;
  decoder.feed(framed(1, AskHello{}) + framed(2, Done{.error = 0, .what = "x"}) + "CR");
  EXPECT_EQ(decoder.next().value().id, 1u);
  EXPECT_EQ(decoder.next().value().id, 2u);
  EXPECT_FALSE(decoder.next());
  decoder.feed(framed(3, AskHello{}).substr(2));
  EXPECT_EQ(decoder.next().value().id, 3u);
}

TEST(FrameDecoder, ATruncatedFrameWaitsForItsRest) {
  const std::string bytes = framed(1, Done{.error = 1, .what = "what"});
  FrameDecoder decoder;
  decoder.feed(std::string_view(bytes).substr(0, bytes.size() - 1));
  EXPECT_FALSE(decoder.next());
  EXPECT_EQ(decoder.error(), FrameError::kNone);
  decoder.feed(std::string_view(bytes).substr(bytes.size() - 1));
  EXPECT_TRUE(decoder.next());
}

TEST(FrameDecoder, BadMagicIsAnErrorBeforeTheHeaderIsComplete) {
  FrameDecoder decoder;
  decoder.feed("Linu");
  EXPECT_FALSE(decoder.next());
  EXPECT_EQ(decoder.error(), FrameError::kBadMagic);
}

TEST(FrameDecoder, GarbageBetweenFramesIsAnErrorNotAResynchronisation) {
  FrameDecoder decoder;
  decoder.feed(framed(1, AskHello{}) + "junk" + framed(2, AskHello{}));
  EXPECT_TRUE(decoder.next());
  EXPECT_FALSE(decoder.next());
  decoder.feed(framed(3, AskHello{}));
  EXPECT_FALSE(decoder.next());
  EXPECT_EQ(decoder.error(), FrameError::kBadMagic);
}

TEST(FrameDecoder, AnotherVersionIsReportedWithItsNumber) {
  std::string bytes = framed(1, AskHello{});
  bytes[4] = 9;
  FrameDecoder decoder;
  decoder.feed(bytes);
  EXPECT_FALSE(decoder.next());
  EXPECT_EQ(decoder.error(), FrameError::kVersionMismatch);
  EXPECT_EQ(decoder.peer_version(), 9);
}

TEST(FrameDecoder, AnOversizedLengthIsRefusedWithoutWaitingForThePayload) {
  std::string bytes = framed(1, AskHello{});
  bytes.replace(12, 4, std::string("\x01\0\x10\0", 4));  // kMaxPayload + 1
  FrameDecoder decoder;
  decoder.feed(bytes);
  EXPECT_FALSE(decoder.next());
  EXPECT_EQ(decoder.error(), FrameError::kOversized);
}

TEST(FrameDecoder, TheLargestPayloadIsAccepted) {
  const std::optional<Frame> frame =
      decode_one(framed(1, FileChunk{.bytes = std::string(kMaxPayload - 4, 'x')}));
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->payload.size(), kMaxPayload);
}

TEST(FrameDecoder, AnUnknownTypeIsDeliveredForTheReceiverToRefuse) {
  std::string bytes = framed(1, AskHello{});
  bytes[6] = '\x77';
  const std::optional<Frame> frame = decode_one(bytes);
  ASSERT_TRUE(frame);
  EXPECT_EQ(static_cast<unsigned>(frame->type), 0x77u);
}

TEST(Message, AListOfNumbersLongerThanThePayloadIsRefusedWithoutAllocatingIt) {
  std::string payload = encode(ReadRanges{.path = "", .ranges = {}}).value();
  payload.replace(4, 4, "\xff\xff\xff\x7f");
  EXPECT_FALSE(decode<ReadRanges>(payload));
}

// A capture kernel's agent takes over wherever the former one was cut.
TEST(NewSpeaker, IsFoundInTheMiddleOfAnyFrame) {
  const std::string old = framed(3, Output{.descriptor = 1, .bytes = std::string(300, 'o')});
  Hello hello = sample_hello();
  const std::string fresh = framed(0, hello) + framed(0, Heartbeat{.uptime_ns = 1});
  for (std::size_t cut = 0; cut <= old.size(); ++cut) {
    FrameDecoder decoder;
    decoder.await_speaker(hello_mark());
    decoder.feed(framed(0, Heartbeat{.uptime_ns = 9}) + old.substr(0, cut) + fresh);
    ASSERT_TRUE(decoder.next()->as<Heartbeat>()) << cut;
    auto next = decoder.next();
    if (cut == old.size()) {
      EXPECT_TRUE(next->as<Output>()) << "what is whole is not lost";
      next = decoder.next();
    }
    ASSERT_TRUE(next && next->as<Hello>()) << cut;
    EXPECT_EQ(next->as<Hello>()->release, hello.release);
    EXPECT_EQ(decoder.next()->as<Heartbeat>()->uptime_ns, 1u) << cut;
  }
}

TEST(NewSpeaker, IsFoundWhateverThePiecesItComesIn) {
  const std::string old = framed(3, Output{.descriptor = 1, .bytes = std::string(300, 'o')});
  const std::string stream = old.substr(0, 100) + framed(0, sample_hello());
  for (std::size_t size = 1; size < 40; ++size) {
    FrameDecoder decoder;
    decoder.await_speaker(hello_mark());
    std::optional<Frame> frame;
    for (std::size_t at = 0; at < stream.size() && !frame; at += size) {
      decoder.feed(std::string_view(stream).substr(at, size));
      frame = decoder.next();
    }
    ASSERT_TRUE(frame && frame->as<Hello>()) << size;
  }
}

TEST(NewSpeaker, GarbageBeforeItIsNoErrorAndAfterItIs) {
  FrameDecoder decoder;
  decoder.await_speaker(frame_mark());
  decoder.feed("the end of a file's chunk");
  EXPECT_FALSE(decoder.next());
  EXPECT_EQ(decoder.error(), FrameError::kNone);
  decoder.feed(framed(4, AskHello{}));
  ASSERT_TRUE(decoder.next());
  decoder.feed("garbage, sixteen bytes");
  EXPECT_FALSE(decoder.next());
  EXPECT_EQ(decoder.error(), FrameError::kBadMagic);
}

TEST(NewSpeaker, EndlessGarbageIsAnError) {
  FrameDecoder decoder;
  decoder.await_speaker(frame_mark());
  decoder.feed(std::string(kMaxPayload + 1, 'x'));
  EXPECT_FALSE(decoder.next());
  EXPECT_EQ(decoder.error(), FrameError::kBadMagic);
}

}  // namespace
}  // namespace rig::guest
