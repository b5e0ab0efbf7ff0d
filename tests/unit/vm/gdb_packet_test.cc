// SPDX-License-Identifier: Apache-2.0
#include "vm/gdb_packet.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace rig::vm {
namespace {

using testing::HasSubstr;

TEST(GdbPacket, CarriesItsSum) {
  EXPECT_EQ(gdb_packet("OK"), "$OK#9a");
  EXPECT_EQ(gdb_packet(""), "$#00");
}

TEST(GdbPacket, WhatEndsAPacketIsEscapedInIt) {
  const std::string bytes = gdb_packet("a#b$c}d*e");
  EXPECT_EQ(bytes.substr(0, bytes.size() - 3),
            "$a}\x03"
            "b}\x04"
            "c}]d}\ne");
  GdbDecoder decoder;
  decoder.feed(bytes);
  EXPECT_EQ(decoder.next(), "a#b$c}d*e");
}

TEST(GdbDecoder, PacketsAreCutFromAnyPieces) {
  GdbDecoder decoder;
  std::vector<std::string> seen;
  for (const char c : std::string("+$OK#9a+$T05thread:01;#07")) {
    decoder.feed({&c, 1});
    while (const auto payload = decoder.next()) seen.push_back(*payload);
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"OK", "T05thread:01;"})) << decoder.error();
}

TEST(GdbDecoder, RepetitionsAreWrittenOut) {
  GdbDecoder decoder;
  decoder.feed("$0* #7a");  // '0', then 32 - 29 = 3 more
  EXPECT_EQ(decoder.next(), "0000");
}

TEST(GdbDecoder, BrokenFramesAreRefusedForGood) {
  const std::pair<std::string, const char*> cases[] = {
      {"$OK#9b", "sum"},
      {"$OK#zz", "sum"},
      {"hello", "no packet"},
      {"-", "did not understand"},
      {"$a}#de", "within an escape"},
      {"$* #4a", "repeats nothing"},
      {"$" + std::string(GdbDecoder::kMaxPayload + 1, 'a'), "too long"},
  };
  for (const auto& [bytes, why] : cases) {
    GdbDecoder decoder;
    decoder.feed(bytes);
    EXPECT_FALSE(decoder.next()) << bytes;
    EXPECT_THAT(decoder.error(), HasSubstr(why)) << bytes.substr(0, 20);
    decoder.feed("$OK#9a");
    EXPECT_FALSE(decoder.next());
  }
}

TEST(GdbDecoder, RepetitionsCannotFillTheMemory) {
  std::string body = "a";
  for (int i = 0; i < 4000; ++i) body += "*~";  // 97 more each
  unsigned sum = 0;
  for (const char c : body) sum += static_cast<unsigned char>(c);
  GdbDecoder decoder;
  decoder.feed(fmt::format("${}#{:02x}", body, sum & 0xff));
  EXPECT_FALSE(decoder.next());
  EXPECT_THAT(decoder.error(), HasSubstr("too long"));
}

TEST(GdbStop, SignalAndCpuAreRead) {
  EXPECT_EQ(parse_gdb_stop("T05thread:02;")->cpu, 1u);
  EXPECT_EQ(parse_gdb_stop("T05thread:p01.0a;")->cpu, 9u);
  EXPECT_EQ(parse_gdb_stop("T05watch:10;thread:01;")->cpu, 0u);
  EXPECT_EQ(parse_gdb_stop("T02thread:01;")->signal, 2u);
  EXPECT_EQ(parse_gdb_stop("S05")->signal, GdbStop::kTrap);
  EXPECT_FALSE(parse_gdb_stop("S05")->cpu);
  EXPECT_FALSE(parse_gdb_stop("T05thread:0;")->cpu);  // "any thread" says nothing
  EXPECT_FALSE(parse_gdb_stop("T05thread:zz;")->cpu);
}

TEST(GdbStop, OtherPacketsAreNone) {
  for (const char* payload : {"", "T", "T0", "Tzz", "OK", "E22", "W00", "0500"}) {
    EXPECT_FALSE(parse_gdb_stop(payload)) << payload;
  }
}

TEST(GdbRegister, IsLittleEndianAndWithinTheDump) {
  EXPECT_EQ(gdb_register("00000000000000001d0ba181ffffffff", 8), 0xffffffff81a10b1d);
  EXPECT_FALSE(gdb_register("00000000000000001d0ba181ffffff", 8));
  EXPECT_FALSE(gdb_register("0000000000000000", 1));
  EXPECT_FALSE(gdb_register("", 0));
  EXPECT_FALSE(gdb_register("xxxxxxxxxxxxxxxx", 0));  // what the stub cannot read
}

}  // namespace
}  // namespace rig::vm
