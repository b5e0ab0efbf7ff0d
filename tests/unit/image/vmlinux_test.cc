// SPDX-License-Identifier: Apache-2.0
#include "image/vmlinux.h"

#include "unit/image/image_fixture.h"

namespace rig::image {
namespace {

constexpr std::uint32_t kPvh = 18;

class Vmlinux : public ImageTest {
 protected:
  std::string extracted(const std::string& bzimage) {
    const Status status = extract_vmlinux(as_bytes(bzimage), path("vmlinux"));
    return status ? read_file(path("vmlinux")).value_or("") : "error: " + status.error().what;
  }
};

TEST_F(Vmlinux, XzPayloadIsExtracted) {
  const std::string elf = make_vmlinux(kPvh);
  EXPECT_EQ(extracted(make_bzimage(xz_with_size(elf))), elf);
}

TEST_F(Vmlinux, GzipPayloadCarriesItsSizeItself) {
  const std::string elf = make_vmlinux(kPvh);
  EXPECT_EQ(extracted(make_bzimage(compress_with(elf, archive_write_add_filter_gzip))), elf);
}

TEST_F(Vmlinux, ZstdPayloadIsExtracted) {
  const std::string elf = make_vmlinux(kPvh);
  std::string payload = compress_with(elf, archive_write_add_filter_zstd);
  put<std::uint32_t>(payload, payload.size(), static_cast<std::uint32_t>(elf.size()));
  EXPECT_EQ(extracted(make_bzimage(payload)), elf);
}

TEST_F(Vmlinux, SizeThatDiffersFromTheTrailerIsAnError) {
  std::string payload = compress_with(make_vmlinux(kPvh), archive_write_add_filter_xz);
  put<std::uint32_t>(payload, payload.size(), 7);
  EXPECT_TRUE(extracted(make_bzimage(payload)).starts_with("error: the kernel decompressed to"));
}

TEST_F(Vmlinux, DamagedImagesAreErrors) {
  const std::string good = make_bzimage(xz_with_size(make_vmlinux(kPvh)));
  EXPECT_EQ(extracted(""), "error: not a bzImage");
  EXPECT_EQ(extracted(std::string(4096, 'x')), "error: not a bzImage");
  EXPECT_EQ(extracted(good.substr(0, 1700)), "error: payload outside of the bzImage");
  std::string huge = good;
  put<std::uint32_t>(huge, 0x248, 0xffffffff);
  EXPECT_EQ(extracted(huge), "error: payload outside of the bzImage");
  std::string old = good;
  put<std::uint16_t>(old, 0x206, 0x203);
  EXPECT_EQ(extracted(old), "error: boot protocol 0x203 is too old");
}

TEST(PvhEntry, IsTheXenNoteOfItsType) {
  EXPECT_TRUE(has_pvh_entry(as_bytes(make_vmlinux(kPvh))));
  EXPECT_FALSE(has_pvh_entry(as_bytes(make_vmlinux(6))));
  EXPECT_FALSE(has_pvh_entry(as_bytes(make_vmlinux(kPvh, "GNU"))));
}

TEST(PvhEntry, NotesOutsideOfTheFileAreNone) {
  const std::string elf = make_vmlinux(kPvh);
  for (const std::size_t size : {0, 10, 64, 100, 120, 130}) {
    EXPECT_FALSE(has_pvh_entry(as_bytes(std::string_view(elf).substr(0, size)))) << size;
  }
}

}  // namespace
}  // namespace rig::image
