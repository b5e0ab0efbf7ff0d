// SPDX-License-Identifier: Apache-2.0
#include "base/flattened.h"

#include <gtest/gtest.h>

namespace rig {
namespace {

std::string big_endian(std::uint64_t value) {
  value = __builtin_bswap64(value);
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string header() {
  std::string text = std::string("makedumpfile\0\0\0\0", 16) + big_endian(1) + big_endian(1);
  text.resize(kFlattenedHeaderSize);
  return text;
}

std::string record(std::uint64_t offset, std::string_view bytes) {
  return big_endian(offset) + big_endian(bytes.size()) + std::string(bytes);
}

const std::string kEnd = big_endian(~std::uint64_t{0}) + big_endian(~std::uint64_t{0});

struct Rearranged {
  std::string file = std::string(16, '.');
  FlattenedDecoder decoder{[this](std::uint64_t offset, ByteView bytes) -> Status {
    file.replace(offset, bytes.size(), as_text(bytes));
    return {};
  }};
};

TEST(Flattened, RecordsLandAtTheirOffsetsWhateverTheSizeOfThePieces) {
  const std::string stream =
      header() + record(8, "later") + record(0, "first") + record(3, "") + kEnd;
  for (std::size_t piece = 1; piece < 40; ++piece) {
    Rearranged result;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      ASSERT_TRUE(result.decoder.feed(as_bytes(std::string_view(stream).substr(at, piece))));
    }
    EXPECT_TRUE(result.decoder.finished());
    EXPECT_EQ(result.file, "first...later...");
  }
}

TEST(Flattened, CutStreamIsNotFinished) {
  const std::string stream = header() + record(0, "first");
  Rearranged result;
  ASSERT_TRUE(result.decoder.feed(as_bytes(stream)));
  EXPECT_FALSE(result.decoder.finished());
}

TEST(Flattened, OtherFilesAndWildRecordsAreRefused) {
  EXPECT_FALSE(looks_flattened(as_bytes("KDUMP   ")));
  Rearranged other;
  EXPECT_FALSE(other.decoder.feed(as_bytes(std::string(kFlattenedHeaderSize, 'x'))));
  Rearranged wild;
  EXPECT_FALSE(wild.decoder.feed(as_bytes(header() + big_endian(1ull << 60) + big_endian(4))));
}

}  // namespace
}  // namespace rig
