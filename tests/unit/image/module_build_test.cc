// SPDX-License-Identifier: Apache-2.0
#include "image/boot_image.h"
#include "image/toolchain.h"
#include "unit/image/image_fixture.h"

namespace rig::image {
namespace {

// A headers' folder whose Makefile compiles every C file of M into a module and counts its runs.
class ModuleBuild : public ImageTest {
 protected:
  void SetUp() override {
    ImageTest::SetUp();
    kernel_.release = "6.1.0-1-test";
    kernel_.package = "linux-image-6.1.0-1-test";
    kernel_.version = "6.1.1-1";
    kernel_.compiler = "gcc";
    kernel_.build = path("k/usr/src/headers");
    write(kernel_.build / "Makefile",
          "modules: $(patsubst %.c,%.ko,$(wildcard $(M)/*.c))\n"
          "\t@echo run >> ../runs\n"
          "%.ko: %.c\n\t@$(CC) -c $(KCFLAGS) -o $@ $<\n");
    source_ = path("src/thing");
    write(source_ / "Kbuild", "obj-m := thing.o\n");
    write(source_ / "thing.c", "int thing;\n");
  }

  Result<fs::path> build() { return build_module(kernel_, source_, {}); }
  std::size_t runs() { return read_file(path("k/usr/src/runs")).value_or("").size() / 4; }

  Kernel kernel_;
  fs::path source_;
};

TEST_F(ModuleBuild, BuildsACopyAndLeavesTheSourceAlone) {
  const auto module = build();
  ASSERT_TRUE(module) << module.error().message();
  EXPECT_EQ(module->filename(), "thing.ko");
  EXPECT_TRUE(fs::exists(*module));
  EXPECT_EQ(std::distance(fs::directory_iterator(source_), {}), 2);
}

TEST_F(ModuleBuild, SameSourceIsBuiltOnce) {
  const auto first = build();
  const auto second = build();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(runs(), 1U);
}

TEST_F(ModuleBuild, OtherSourceOrKernelIsBuiltAnew) {
  const auto first = build();
  write(source_ / "thing.c", "int other;\n");
  const auto second = build();
  kernel_.version = "6.1.2-1";
  const auto third = build();
  ASSERT_TRUE(first && second && third);
  EXPECT_NE(*first, *second);
  EXPECT_NE(*second, *third);
  EXPECT_EQ(runs(), 3U);
}

TEST_F(ModuleBuild, ProductsOfABuildInPlaceDoNotCount) {
  ASSERT_TRUE(build());
  write(source_ / "thing.o", "old object");
  write(source_ / "Module.symvers", "");
  write(source_ / ".thing.o.cmd", "");
  ASSERT_TRUE(build());
  EXPECT_EQ(runs(), 1U);
}

TEST_F(ModuleBuild, CompileErrorIsTheUsersAndQuotesFileAndLine) {
  write(source_ / "thing.c", "int thing;\nint broken(void) { return undeclared; }\n");
  const auto module = build();
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().blame, Blame::kInput);
  EXPECT_NE(module.error().what.find((source_ / "thing.c:2:").string()), std::string::npos)
      << module.error().what;
  EXPECT_NE(module.error().what.find("undeclared"), std::string::npos);
  EXPECT_EQ(module.error().what.find("crashrig/modules"), std::string::npos)
      << "the copy's path means nothing to the user";
  EXPECT_EQ(module.error().what.find("make:"), std::string::npos) << module.error().what;
}

TEST_F(ModuleBuild, FailedBuildLeavesNoFolder) {
  write(source_ / "thing.c", "broken");
  ASSERT_FALSE(build());
  for (const auto& entry : fs::directory_iterator(path("cache/crashrig/modules"))) {
    EXPECT_FALSE(entry.is_directory()) << entry.path();
  }
}

TEST_F(ModuleBuild, FolderWithoutKbuildIsTheUsersError) {
  fs::remove(source_ / "Kbuild");
  const auto module = build();
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().blame, Blame::kInput);
  source_ = path("nowhere");
  EXPECT_FALSE(build());
}

TEST_F(ModuleBuild, SeveralModulesNeedOneOfTheFoldersName) {
  write(source_ / "helper.c", "int helper;\n");
  EXPECT_EQ(build().value_or("").filename(), "thing.ko");
  fs::rename(source_ / "thing.c", source_ / "main.c");
  const auto module = build();
  ASSERT_FALSE(module);
  EXPECT_NE(module.error().what.find("helper.ko, main.ko"), std::string::npos)
      << module.error().what;
}

TEST_F(ModuleBuild, MissingCompilerIsTheRigsErrorAndNamesThePackage) {
  kernel_.compiler = "gcc-99";
  const auto module = build();
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().blame, Blame::kRig);
  EXPECT_EQ(module.error().hint, "apt-get install gcc-99");
}

TEST_F(ModuleBuild, OtherArchitectureIsBuiltByItsCrossCompiler) {
  const bool on_arm64 = host_arch() == Arch::kArm64;
  kernel_.arch = on_arm64 ? Arch::kX86_64 : Arch::kArm64;
  const Toolchain& tools = toolchain(kernel_.arch);
  add_program(std::string(tools.cross) + "gcc", "exec gcc \"$@\"\n");
  write(kernel_.build / "Makefile",
        "modules: $(M)/thing.ko\n\t@echo $(ARCH) $(CROSS_COMPILE) $(CC) > ../asked\n"
        "%.ko: %.c\n\t@$(CC) -c -o $@ $<\n");
  const auto module = build();
  ASSERT_TRUE(module) << module.error().message();
  EXPECT_EQ(read_file(path("k/usr/src/asked")).value_or(""),
            fmt::format("{} {} {}gcc\n", tools.kbuild, tools.cross, tools.cross));
}

TEST_F(ModuleBuild, MissingCrossCompilerNamesItsPackage) {
  kernel_.arch = host_arch() == Arch::kArm64 ? Arch::kX86_64 : Arch::kArm64;
  kernel_.compiler = "gcc-99";
  const auto module = build();
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().blame, Blame::kRig);
  EXPECT_NE(module.error().message().find(fmt::format("gcc-99{}", toolchain(kernel_.arch).package)),
            std::string::npos)
      << module.error().message();
}

TEST_F(ModuleBuild, SpaceInTheCachesPathIsExplained) {
  kernel_.build = path("a b/usr/src/headers");
  const auto module = build();
  ASSERT_FALSE(module);
  EXPECT_NE(module.error().hint.find("XDG_CACHE_HOME"), std::string::npos);
}

}  // namespace
}  // namespace rig::image
