// SPDX-License-Identifier: Apache-2.0
#include "vm/dump_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <thread>

#include "fakes/deadlines.h"

namespace rig::vm {
namespace {

using fakes::soon;
using testing::HasSubstr;

std::string be64(std::uint64_t value) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

std::string flattened_header() {
  std::string stream("makedumpfile\0\0\0\0", 16);
  stream += be64(1) + be64(1);
  stream.resize(kFlattenedHeaderSize);
  return stream;
}

TEST(PendingFile, NothingIsThereBeforeTheCommitAndNothingIfItNeverComes) {
  const auto folder = TempDir::create("dump-test");
  {
    const auto file = PendingFile::create(folder->path() / "core");
    ASSERT_TRUE(file) << file.error().message();
    EXPECT_EQ(::write(file->fd(), "x", 1), 1);
    EXPECT_FALSE(fs::exists(folder->path() / "core"));
  }
  EXPECT_TRUE(fs::is_empty(folder->path()));
}

TEST(PendingFile, CommitReplacesWhatIsThere) {
  const auto folder = TempDir::create("dump-test");
  const fs::path target = folder->path() / "core";
  for (const std::string_view content : {"one", "two"}) {
    auto file = PendingFile::create(target);
    ASSERT_TRUE(file);
    ASSERT_EQ(::write(file->fd(), content.data(), content.size()), ssize_t(content.size()));
    ASSERT_TRUE(file->commit());
    EXPECT_EQ(*read_file(target), content);
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder->path()), {}), 1);
}

TEST(PendingFile, MissingFolderIsAnErrorThatNamesIt) {
  const auto file = PendingFile::create("/nonexistent/folder/core");
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().what, HasSubstr("/nonexistent/folder"));
}

TEST(DumpReceiver, FullDiskIsSeenAndTheSenderIsCutOff) {
  Loop loop = Loop::create().value();
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  auto receiver = DumpReceiver::create(loop, full.get());
  ASSERT_TRUE(receiver);
  const UniqueFd writing = (*receiver)->take_writing_end();
  const std::string stream = flattened_header() + be64(0) + be64(4) + "core";
  ASSERT_EQ(::write(writing.get(), stream.data(), stream.size()), ssize_t(stream.size()));
  // The sender has not finished, and yet it ends.
  EXPECT_EQ(loop.run_until([&] { return (*receiver)->ended(); }, soon()), Loop::Woke::kCondition);
  EXPECT_EQ((*receiver)->write_error(), ENOSPC);
  EXPECT_FALSE((*receiver)->whole());
}

TEST(DumpReceiver, LargeStreamGoesThroughWhole) {
  Loop loop = Loop::create().value();
  const auto folder = TempDir::create("dump-test");
  auto file = PendingFile::create(folder->path() / "core");
  ASSERT_TRUE(file);
  auto receiver = DumpReceiver::create(loop, file->fd());
  ASSERT_TRUE(receiver);
  constexpr std::uint64_t kPiece = 100'000;
  std::string stream = flattened_header();
  for (std::uint64_t i = 0; i < 100; ++i) {  // back to front
    stream += be64((99 - i) * kPiece) + be64(kPiece) + std::string(kPiece, char('!' + i % 90));
  }
  stream += be64(~0ull) + be64(~0ull);
  std::thread sender([&, writing = (*receiver)->take_writing_end()]() mutable {
    for (std::size_t sent = 0; sent < stream.size();) {
      const ssize_t count = ::write(writing.get(), stream.data() + sent, stream.size() - sent);
      if (count <= 0) break;
      sent += static_cast<std::size_t>(count);
    }
    writing.reset();
  });
  loop.run_until([&] { return (*receiver)->ended(); }, soon());
  sender.join();
  ASSERT_TRUE((*receiver)->whole());
  EXPECT_EQ((*receiver)->written(), 100 * kPiece);
  ASSERT_TRUE(file->commit());
  const auto core = MappedFile::open(folder->path() / "core");
  ASSERT_TRUE(core);
  EXPECT_EQ(as_text(core->bytes()).front(), char('!' + 99 % 90));
  EXPECT_EQ(as_text(core->bytes()).back(), '!');
}

}  // namespace
}  // namespace rig::vm
