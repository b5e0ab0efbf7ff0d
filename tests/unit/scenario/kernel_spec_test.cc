// SPDX-License-Identifier: Apache-2.0
#include "scenario/kernel_spec.h"

#include <gtest/gtest.h>

#include "scenario/cache_name.h"
#include "scenario/units.h"

namespace rig::scenario {
namespace {

const fs::path kKernels = fs::path(RIG_TEST_DATA) / "scenario-root/kernels";

TEST(KernelSpec, NewestIsNoPin) {
  const auto spec = load_kernel_spec("debian-6.1", kKernels);
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->name, "debian-6.1");
  EXPECT_EQ(spec->provider, "debian");
  EXPECT_EQ(spec->series, "6.1");
  EXPECT_FALSE(spec->abi);
  EXPECT_EQ(spec->entry, Entry::kVmlinux);
}

TEST(KernelSpec, FileMayPinTheAbi) {
  const auto spec = load_kernel_spec("debian-6.1-kasan", kKernels);
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->abi, "6.1.0-47");
  EXPECT_EQ(spec->entry, Entry::kBzImage);
}

TEST(KernelSpec, PinInTheNameWins) {
  const auto spec = load_kernel_spec("debian-6.1-kasan@6.1.0-50", kKernels);
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->name, "debian-6.1-kasan");
  EXPECT_EQ(spec->abi, "6.1.0-50");
}

TEST(KernelSpec, PinOfAnotherSeriesIsRefused) {
  for (const char* name : {"debian-6.1@6.10.0-1", "debian-6.1@5.10.0-1", "debian-6.1@6.1.0",
                           "debian-6.1@", "debian-6.1@6.1.0-47;rm"}) {
    const auto spec = load_kernel_spec(name, kKernels);
    ASSERT_FALSE(spec) << name;
    EXPECT_EQ(spec.error().blame, Blame::kInput);
    EXPECT_EQ(spec.error().hint,
              "write debian-6.1@6.1.0-47, debian-6.1@oldest or debian-6.1@newest");
  }
}

TEST(KernelSpec, OldestAndNewestAreChosenByName) {
  const auto oldest = load_kernel_spec("debian-6.1-kasan@oldest", kKernels);
  ASSERT_TRUE(oldest) << oldest.error().message();
  EXPECT_TRUE(oldest->oldest);
  EXPECT_FALSE(oldest->abi) << "the file's pin is overridden";
  const auto newest = load_kernel_spec("debian-6.1-kasan@newest", kKernels);
  ASSERT_TRUE(newest) << newest.error().message();
  EXPECT_FALSE(newest->oldest);
  EXPECT_FALSE(newest->abi);
}

TEST(KernelSpec, BuiltTreeNeedsNoDescription) {
  const std::string reference = "build:" + kKernels.string() + "/";
  const auto spec = load_kernel_spec(reference, kKernels);
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->provider, "tree");
  EXPECT_EQ(spec->name, "build-kernels");
  EXPECT_EQ(kernel_name(reference), "build-kernels");
  EXPECT_EQ(absolute_kernel("build:kernels", {kKernels.parent_path()}).value_or(""),
            "build:" + kKernels.string());
  EXPECT_FALSE(absolute_kernel("build:nowhere", {kKernels}));
  EXPECT_FALSE(load_kernel_spec("build:/nowhere", kKernels));
}

class OwnKernelFile : public testing::Test {
 protected:
  Result<KernelSpec> load(const std::string& text) {
    const fs::path file = folder_->path() / "own.yaml";
    EXPECT_TRUE(write_file_atomically(file, text));
    return load_kernel_spec(file.string(), kKernels);
  }
  Result<TempDir> folder_ = TempDir::create("kernel-file");
};

TEST_F(OwnKernelFile, FragmentsOfBothFoldersAreKnown) {
  ASSERT_TRUE(folder_);
  fs::create_directories(folder_->path() / "fragments");
  ASSERT_TRUE(write_file_atomically(folder_->path() / "fragments/mine.config", "CONFIG_A=y\n"));
  const auto spec = load("provider: source\nseries: '6.1'\nconfig: {fragments: [guest, mine]}\n");
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->config.base, "allnoconfig");
  EXPECT_EQ(fragment_file(spec->config, "mine", ""), folder_->path() / "fragments/mine.config");
  EXPECT_EQ(fragment_file(spec->config, "guest", "arm64"),
            kKernels / "fragments/guest-arm64.config");
  EXPECT_FALSE(fragment_file(spec->config, "guest", "x86_64"));
}

TEST_F(OwnKernelFile, GitAndTreeAreRead) {
  ASSERT_TRUE(folder_);
  const auto git = load(
      "provider: git\nrepository: https://example.org/linux.git\nrevision: v6.6\n"
      "config: {base: defconfig, fragments: [guest]}\nentry: bzimage\n");
  ASSERT_TRUE(git) << git.error().message();
  EXPECT_EQ(git->revision, "v6.6");
  EXPECT_EQ(git->config.base, "defconfig");
  EXPECT_EQ(git->entry, Entry::kBzImage);
  const auto tree = load("provider: tree\nbuild: linux\n");
  ASSERT_TRUE(tree) << tree.error().message();
  EXPECT_EQ(tree->build, folder_->path() / "linux");
  EXPECT_FALSE(load_kernel_spec((folder_->path() / "own.yaml").string() + "@oldest", kKernels))
      << "only Debian's packages have ABIs";
}

TEST(KernelSpec, PathToAFileIsAName) {
  const auto spec =
      load_kernel_spec((kKernels / "debian-6.1.yaml").string() + "@6.1.0-56", "/nonexistent");
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->name, "debian-6.1");
  EXPECT_EQ(spec->abi, "6.1.0-56");
}

TEST(KernelSpec, PinIsBehindTheLastSlash) {
  const auto in_folder = parse_kernel_reference("/home/me@work/k.yaml");
  EXPECT_EQ(in_folder.name, "/home/me@work/k.yaml");
  EXPECT_FALSE(in_folder.abi);
  const auto pinned = parse_kernel_reference("/home/me@work/k.yaml@6.1.0-56");
  EXPECT_EQ(pinned.name, "/home/me@work/k.yaml");
  EXPECT_EQ(pinned.abi, "6.1.0-56");
}

TEST(KernelSpec, KernelIsCalledByItsFileNotByItsPath) {
  EXPECT_EQ(kernel_name("debian-6.1"), "debian-6.1");
  EXPECT_EQ(kernel_name("debian-6.1@6.1.0-56"), "debian-6.1@6.1.0-56");
  EXPECT_EQ(kernel_name("/home/me@work/./k.yaml"), "k");
  EXPECT_EQ(kernel_name("./debian-6.1.yaml@6.1.0-56"), "debian-6.1@6.1.0-56");
}

TEST(KernelSpec, UnknownNameListsTheKnownOnes) {
  const auto spec = load_kernel_spec("debian-6.2", kKernels);
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().blame, Blame::kInput);
  EXPECT_NE(spec.error().what.find("did you mean 'debian-6.1'?"), std::string::npos);
  EXPECT_NE(spec.error().hint.find("debian-6.1, debian-6.1-kasan"), std::string::npos);
}

TEST(CacheName, BothSpellingsOfAKmallocCacheAreTheSame) {
  EXPECT_EQ(canonical_cache_name("kmalloc-1024"), "kmalloc-1k");
  EXPECT_EQ(canonical_cache_name("kmalloc-1k"), "kmalloc-1k");
  EXPECT_EQ(canonical_cache_name("kmalloc-cg-2048"), "kmalloc-cg-2k");
  EXPECT_EQ(canonical_cache_name("kmalloc-96"), "kmalloc-96");
  EXPECT_EQ(canonical_cache_name("TCP-1024"), "TCP-1024");
}

TEST(CacheName, KmallocNamesTellTheirSize) {
  EXPECT_EQ(kmalloc_object_size("kmalloc-1k"), 1024u);
  EXPECT_EQ(kmalloc_object_size("kmalloc-192"), 192u);
  EXPECT_EQ(kmalloc_object_size("dma-kmalloc-8k"), 8192u);
  EXPECT_FALSE(kmalloc_object_size("kmalloc-"));
  EXPECT_FALSE(kmalloc_object_size("ext4_inode_cache"));
}

TEST(Units, SizesAndDurationsNeedTheirUnits) {
  EXPECT_EQ(parse_bytes("512M"), 512u << 20);
  EXPECT_EQ(parse_bytes("4096"), 4096u);
  EXPECT_FALSE(parse_bytes("512MB"));
  EXPECT_FALSE(parse_bytes("1.5G"));
  EXPECT_FALSE(parse_bytes("-1"));
  EXPECT_FALSE(parse_bytes("99999999999G"));
  EXPECT_EQ(parse_duration("1500ms"), std::chrono::milliseconds(1500));
  EXPECT_EQ(parse_duration("2m"), std::chrono::minutes(2));
  EXPECT_FALSE(parse_duration("60"));
  EXPECT_FALSE(parse_duration("s"));
  EXPECT_FALSE(parse_duration("99999999999999999h"));
}

TEST(Units, NamesAreSafeInPathsAndMessages) {
  EXPECT_TRUE(is_name("late-completion"));
  EXPECT_FALSE(is_name(".."));
  EXPECT_FALSE(is_name("-j"));
  EXPECT_FALSE(is_name("a/b"));
  EXPECT_FALSE(is_name(std::string(65, 'a')));
  EXPECT_EQ(shown("a\x1b[31mb"), "'a [31mb'");
}

}  // namespace
}  // namespace rig::scenario
