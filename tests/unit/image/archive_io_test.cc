// SPDX-License-Identifier: Apache-2.0
#include "image/archive_io.h"

#include <sys/stat.h>

#include "unit/image/image_fixture.h"

namespace rig::image {
namespace {

class UnpackDeb : public ImageTest {
 protected:
  Status unpack(const std::string& deb, const UnpackOptions& options = {}) {
    write(path("x.deb"), deb);
    fs::create_directories(path("root"));
    return unpack_deb(path("x.deb"), path("root"), options);
  }
  std::string content(const std::string& name) {
    return read_file(path("root") / name).value_or("(none)");
  }
};

TEST_F(UnpackDeb, FilesLandBelowTheRootWithTheirModes) {
  ASSERT_TRUE(unpack(make_deb({{"./usr/lib/tool", "run", false, 04755}, {"./boot/config", "y"}})));
  EXPECT_EQ(content("usr/lib/tool"), "run");
  EXPECT_EQ(content("boot/config"), "y");
  EXPECT_EQ(fs::status(path("root/usr/lib/tool")).permissions(), fs::perms(0755));
}

TEST_F(UnpackDeb, OnlyKeptEntriesAreWritten) {
  const auto keep = [](std::string_view name) { return name.starts_with("boot/"); };
  ASSERT_TRUE(
      unpack(make_deb({{"./usr/share/doc/x", "text"}, {"./boot/config", "y"}}), {keep, {}, {}}));
  EXPECT_TRUE(fs::exists(path("root/boot/config")));
  EXPECT_FALSE(fs::exists(path("root/usr")));
}

TEST_F(UnpackDeb, AbsoluteSymlinksStayInsideTheTree) {
  ASSERT_TRUE(unpack(make_deb({{"./usr/src/headers/Makefile", "all:"},
                               {"./lib/modules/6.1/build", "/usr/src/headers", true}})));
  EXPECT_EQ(fs::read_symlink(path("root/lib/modules/6.1/build")), "../../../usr/src/headers");
  EXPECT_EQ(content("lib/modules/6.1/build/Makefile"), "all:");
}

TEST_F(UnpackDeb, PathThatLeavesTheRootIsRefused) {
  const Status status = unpack(make_deb({{"./../outside", "x"}}));
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().what.find("../outside"), std::string::npos) << status.error().what;
  EXPECT_FALSE(fs::exists(path("outside")));
}

TEST_F(UnpackDeb, NothingIsWrittenThroughASymlink) {
  fs::create_directories(path("elsewhere"));
  EXPECT_FALSE(unpack(make_deb({{"./a", "../elsewhere", true}, {"./a/file", "x"}})));
  EXPECT_FALSE(fs::exists(path("elsewhere/file")));
}

TEST_F(UnpackDeb, TruncatedPackageIsAnError) {
  std::string deb = make_deb({{"./boot/big", std::string(100'000, 'b')}});
  deb.resize(deb.size() - 60);
  const Status status = unpack(deb);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().what.find("damaged package"), std::string::npos) << status.error().what;
}

TEST_F(UnpackDeb, PackageWithoutDataIsAnError) {
  EXPECT_FALSE(unpack("!<arch>\n" + ar_member("debian-binary", "2.0\n")));
  EXPECT_FALSE(unpack("<html>404</html>"));
}

TEST_F(UnpackDeb, StopRequestEndsIt) {
  std::stop_source stop;
  stop.request_stop();
  const Status status = unpack(make_deb({{"./boot/config", "y"}}), {{}, {}, stop.get_token()});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().blame, Blame::kCancelled);
}

std::string decompressed(const std::string& bytes, std::uint64_t limit = 1 << 20) {
  std::string plain;
  const Status status = decompress(
      as_bytes(bytes),
      [&](ByteView part) -> Status {
        plain += as_text(part);
        return {};
      },
      limit);
  return status ? plain : "error: " + status.error().what;
}

TEST(Decompress, EveryFormatAKernelUses) {
  const std::string text(100'000, 'x');
  EXPECT_EQ(decompressed(compress_with(text, archive_write_add_filter_xz)), text);
  EXPECT_EQ(decompressed(compress_with(text, archive_write_add_filter_zstd)), text);
  EXPECT_EQ(decompressed(compress_with(text, archive_write_add_filter_gzip)), text);
  EXPECT_EQ(decompressed(compress_with(text, archive_write_add_filter_bzip2)), text);
  EXPECT_EQ(decompressed("plain bytes"), "plain bytes");
}

TEST(Decompress, MoreThanTheLimitIsAnError) {
  const std::string bomb = compress_with(std::string(2'000'000, '\0'), archive_write_add_filter_xz);
  EXPECT_TRUE(decompressed(bomb, 1'000'000).starts_with("error: decompresses to more than"));
}

TEST_F(ImageTest, CpioHasTheSameBytesEveryTime) {
  const auto make = [&](const std::string& name) {
    auto cpio = CpioWriter::create(path(name));
    EXPECT_TRUE(cpio && cpio->add_folder("dev") &&
                cpio->add_character_device("dev/console", 0600, 5, 1) &&
                cpio->add_file("init", 0755, "#!agent") && cpio->close());
    return read_file(path(name)).value_or("");
  };
  const std::string first = make("a.cpio");
  EXPECT_TRUE(first.starts_with("070701")) << "not newc";
  EXPECT_EQ(first, make("b.cpio"));
}

}  // namespace
}  // namespace rig::image
