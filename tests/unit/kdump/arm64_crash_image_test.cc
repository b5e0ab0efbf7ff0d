// SPDX-License-Identifier: Apache-2.0
#include "kdump/arm64_crash_image.h"

#include <elf.h>
#include <gmock/gmock.h>

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace rig::kdump {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A tree of a root and an empty /chosen.
std::string small_tree() {
  const std::uint32_t words[] = {0xd00dfeed, 88, 56, 88, 40, 17, 16, 0, 0, 32,  // the header
                                 0,          0,  0,  0,                         // none reserved
                                 1,          0,  1,  0,  0,  2,  2,  9};
  std::string tree;
  for (const std::uint32_t value : words) {
    const std::uint32_t big = __builtin_bswap32(value);
    tree += as_text(std::as_bytes(std::span(&big, 1)));
  }
  return tree.replace(68, 8, std::string("chosen\0\0", 8));
}

class CrashImageTest : public testing::Test {
 protected:
  CrashImageTest() {
    facts_.iomem =
        "00000000-03ffffff : 0.flash flash@0\n"
        "40000000-5fffffff : System RAM\n"
        "  40210000-413dffff : Kernel code\n"
        "  50000000-57ffffff : Crash kernel\n"
        "80000000-8fffffff : System RAM\n";
    facts_.tree = small_tree();
    facts_.vmcoreinfo = "0x0000000041d4b000 1024\n";
    facts_.cpus = {{"5f7a1000\n", "424\n"}, {"5f7b1000\n", "424\n"}};
    files_.kernel_head.assign(64, '\0');
    const std::uint64_t image_size = 33 << 20;
    std::memcpy(files_.kernel_head.data() + 16, &image_size, sizeof image_size);
    files_.kernel_head.replace(56, 4, "ARM\x64");
    files_.kernel_bytes = 32 << 20;
    files_.initramfs_bytes = 900'000;
    files_.cmdline = "nr_cpus=1";
  }

  std::string why() const {
    const auto image = arm64_crash_image(facts_, files_);
    return image ? "" : image.error().what;
  }

  CrashFacts facts_;
  CrashKernelFiles files_;
};

TEST_F(CrashImageTest, EverythingLiesInTheReservedMemoryAndNothingOverlaps) {
  const auto image = arm64_crash_image(facts_, files_);
  ASSERT_TRUE(image) << image.error().message();
  std::vector<CrashPlace> places = {image->kernel, image->initramfs};
  for (const CrashImage::Blob& blob : image->blobs) {
    EXPECT_LE(blob.bytes.size(), blob.place.size);
    places.push_back(blob.place);
  }
  EXPECT_GE(image->kernel.size, 33u << 20) << "its .bss, too";
  EXPECT_EQ(image->kernel.address % (2 << 20), 0u);
  std::uint64_t end = 0x5000'0000;
  for (const CrashPlace& place : places) {
    EXPECT_GE(place.address, end);
    EXPECT_EQ(place.address % 4096, 0u);
    EXPECT_EQ(place.size % 4096, 0u);
    end = place.address + place.size;
  }
  EXPECT_LE(end, 0x5800'0000u);
}

TEST_F(CrashImageTest, CoresHeaderNamesNotesAndTheOldKernelsMemory) {
  const auto image = arm64_crash_image(facts_, files_);
  ASSERT_TRUE(image) << image.error().message();
  const ByteView core = as_bytes(image->blobs[0].bytes);
  const auto header = load<Elf64_Ehdr>(core);
  ASSERT_TRUE(header);
  std::vector<std::string> segments;
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    const auto segment = load<Elf64_Phdr>(core, header->e_phoff + i * sizeof(Elf64_Phdr));
    ASSERT_TRUE(segment);
    EXPECT_EQ(segment->p_offset, segment->p_paddr);
    segments.push_back(fmt::format("{} {:x}+{:x}", segment->p_type == PT_NOTE ? "note" : "load",
                                   segment->p_paddr, segment->p_filesz));
  }
  EXPECT_THAT(segments, ElementsAre("note 5f7a1000+1a8", "note 5f7b1000+1a8", "note 41d4b000+1024",
                                    "load 40000000+10000000", "load 58000000+8000000",
                                    "load 80000000+10000000"));
}

TEST_F(CrashImageTest, StubHandsTheTreeToTheKernel) {
  const auto image = arm64_crash_image(facts_, files_);
  ASSERT_TRUE(image) << image.error().message();
  const std::string& stub = image->blobs[1].bytes;
  const std::string& tree = image->blobs[2].bytes;
  EXPECT_EQ(image->entry, image->blobs[1].place.address);
  EXPECT_EQ(load<std::uint64_t>(as_bytes(stub), 24), image->blobs[2].place.address);
  EXPECT_EQ(load<std::uint64_t>(as_bytes(stub), 32), image->kernel.address);
  EXPECT_THAT(tree, HasSubstr("nr_cpus=1"));
  EXPECT_THAT(tree, HasSubstr("linux,usable-memory-range"));
}

TEST_F(CrashImageTest, WhatIsMissingIsNamed) {
  EXPECT_EQ(why(), "");
  const CrashFacts whole = facts_;
  facts_.iomem = "40000000-5fffffff : System RAM\n";
  EXPECT_THAT(why(), HasSubstr("no memory for a capture kernel"));
  facts_.iomem += "  50000000-51ffffff : Crash kernel\n";
  EXPECT_THAT(why(), HasSubstr("are too few"));
  facts_ = whole;
  facts_.vmcoreinfo = "0x41d4b000";
  EXPECT_THAT(why(), HasSubstr("vmcoreinfo is '0x41d4b000'"));
  facts_ = whole;
  facts_.cpus[1].notes = "(null)";
  EXPECT_THAT(why(), HasSubstr("crash_notes are '(null)'"));
  facts_ = whole;
  facts_.tree = "x";
  EXPECT_THAT(why(), HasSubstr("device tree"));
  facts_ = whole;
  files_.kernel_head[56] = 'x';
  EXPECT_THAT(why(), HasSubstr("no uncompressed arm64 Image"));
}

}  // namespace
}  // namespace rig::kdump
