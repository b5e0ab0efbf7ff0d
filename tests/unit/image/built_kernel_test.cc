// SPDX-License-Identifier: Apache-2.0
#include "image/built_kernel.h"

#include <gmock/gmock.h>

#include <mutex>
#include <thread>

#include "image/boot_drivers.h"
#include "image/cache_survey.h"
#include "unit/image/fake_source.h"

namespace rig::image {
namespace {

using testing::HasSubstr;

class BuiltKernel : public SourceTest {};

TEST_F(BuiltKernel, IsBuiltOnceAndHasAllThatGuestsAndModulesNeed) {
  const auto kernel = get();
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->release, "6.1.192-guest");
  EXPECT_EQ(kernel->package, "linux-source-6.1");
  EXPECT_EQ(read_file(kernel->boot_file).value_or(""), "image\n");
  EXPECT_TRUE(fs::exists(kernel->debuginfo));
  EXPECT_TRUE(fs::exists(kernel->build / "vmlinux"));
  EXPECT_TRUE(fs::exists(kernel->build / "include/linux/module.h"));
  EXPECT_TRUE(fs::exists(kernel->build / "include/config/kernel.release"));
  EXPECT_TRUE(fs::exists(kernel->build / "scripts/mod/modpost"));
  EXPECT_FALSE(fs::exists(kernel->build / "drivers")) << "sources are not kept twice";
  EXPECT_TRUE(load_order(kernel->modules, {"virtio_pci"})) << "what is built in is no error";
  ASSERT_TRUE(get());
  EXPECT_EQ(count("runs"), 1U);
  EXPECT_EQ(count("downloads"), 1U);
  EXPECT_EQ(entries("builds"), 0U) << "objects are not kept";
}

TEST_F(BuiltKernel, OtherOptionsAreAnotherKernelOfTheSameSource) {
  const auto first = get();
  write(path("fragments/guest.config"), "CONFIG_A=y\nCONFIG_B=y\n");
  const auto second = get();
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->version, second->version);
  EXPECT_EQ(count("runs"), 2U);
  EXPECT_EQ(count("downloads"), 1U);
  EXPECT_EQ(entries("sources"), 1U);
}

TEST_F(BuiltKernel, OptionThatDidNotStickIsTheUsersAndSaysWhy) {
  write(path("fragments/guest.config"), "CONFIG_A=y\nCONFIG_STUBBORN=y\n");
  const auto kernel = get();
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().blame, Blame::kInput);
  EXPECT_THAT(kernel.error().what,
              HasSubstr("guest.config:2: CONFIG_STUBBORN=y became n: it depends on MISSING (n)"));
  EXPECT_EQ(count("runs"), 0U);
  EXPECT_EQ(entries("builds"), 0U);
}

TEST_F(BuiltKernel, FailedBuildQuotesTheCompilerAndGoesOnWhereItWas) {
  write(path("fail"), "");
  const auto failed = get();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().blame, Blame::kInput);
  EXPECT_THAT(failed.error().what, HasSubstr("main.c:1:2: error: no luck"));
  EXPECT_EQ(entries("builds"), 1U);
  fs::remove(path("fail"));
  ASSERT_TRUE(get());
  EXPECT_EQ(count("runs"), 1U) << "main.o was there already";
}

TEST_F(BuiltKernel, CostIsThatOfAllPartsOfTheBuild) {
  write(path("fail"), "");
  ASSERT_FALSE(get());
  fs::path objects;
  for (const auto& entry : fs::directory_iterator(path("cache/crashrig/builds"))) objects = entry;
  ASSERT_TRUE(fs::exists(objects / ".cost"));
  write(objects / ".cost", "700.5 1200.25\n");
  fs::remove(path("fail"));
  ASSERT_TRUE(get());
  const auto cached = find_cached(spec_, host_arch());
  ASSERT_TRUE(cached && *cached);
  EXPECT_GT((*cached)->cpu_seconds, 1200.2);
}

TEST_F(BuiltKernel, StopIsCancellationAndTheNextRunGoesOn) {
  write(path("wait"), "");
  std::stop_source stop;
  FetchOptions options;
  options.stop = stop.get_token();
  options.progress = [&](const Progress& progress) {
    if (progress.step.starts_with("build own")) stop.request_stop();
  };
  const auto kernel = get(options);
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().blame, Blame::kCancelled);
  fs::remove(path("wait"));
  EXPECT_TRUE(get());
}

TEST_F(BuiltKernel, TwoRunsAtOnceBuildOnce) {
  Result<Kernel> first = fail(Blame::kRig, ""), second = fail(Blame::kRig, "");
  {
    const std::jthread one([&] { first = get(); });
    const std::jthread two([&] { second = get(); });
  }
  ASSERT_TRUE(first) << first.error().message();
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(count("runs"), 1U);
}

TEST_F(BuiltKernel, MissingToolsAreNamedTogetherWithTheirPackages) {
  for (const char* tool : {"flex", "pahole"}) fs::remove(path("bin") / tool);
  ::setenv("PATH", path("bin").c_str(), 1);
  const auto kernel = get();
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().blame, Blame::kRig);
  EXPECT_THAT(kernel.error().hint, HasSubstr("flex"));
  EXPECT_THAT(kernel.error().hint, HasSubstr("dwarves"));
}

TEST_F(BuiltKernel, RevisionOfARepositoryIsBuiltByItsCommit) {
  const fs::path repository = path("linux");
  for (const auto& [name, content] : files()) write(repository / name, content);
  const auto git = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"-C", repository.string(), "-c", "user.name=t", "-c",
                                         "user.email=t@example.org"});
    return run_ok({"git", arguments, {}, {}});
  };
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"init", "-q"}, {"add", "."}, {"commit", "-q", "-m", "one"}, {"tag", "v1"}}) {
    const auto done = git(arguments);
    ASSERT_TRUE(done) << done.error().message();
  }
  spec_.provider = "git";
  spec_.repository = repository.string();
  spec_.revision = "v1";
  const auto tagged = get();
  ASSERT_TRUE(tagged) << tagged.error().message();
  spec_.revision = "HEAD";
  const auto head = get();
  ASSERT_TRUE(head);
  EXPECT_EQ(tagged->version, head->version);
  EXPECT_EQ(count("runs"), 1U);
  spec_.revision = "v2";
  const auto unknown = get();
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().blame, Blame::kInput);
  EXPECT_THAT(unknown.error().what, HasSubstr("no revision v2"));
}

class TreeKernel : public SourceTest {
 protected:
  void SetUp() override {
    SourceTest::SetUp();
    for (const auto& [name, content] : files()) write(path("tree") / name, content);
    spec_.provider = "tree";
    spec_.build = path("tree");
  }
  void make(std::vector<std::string> targets) {
    targets.insert(targets.begin(),
                   {"-C", path("tree").string(), "O=" + path("tree").string(),
                    "KCONFIG_ALLCONFIG=" + path("fragments/guest.config").string()});
    const auto done = run_ok({"make", targets, {}, {}});
    ASSERT_TRUE(done) << done.error().message();
  }
  static std::string image() { return host_arch() == Arch::kX86_64 ? "bzImage" : "Image"; }
};

TEST_F(TreeKernel, IsUsedWhereItLies) {
  make({"allnoconfig", image(), "modules"});
  const auto kernel = get();
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->release, "6.1.192");
  EXPECT_EQ(kernel->compiler, "gcc-12");
  EXPECT_EQ(fs::weakly_canonical(kernel->build), fs::weakly_canonical(path("tree")));
  EXPECT_EQ(kernel->debuginfo, path("tree/vmlinux"));
  EXPECT_TRUE(load_order(kernel->modules, {"virtio_pci"}));
}

TEST_F(TreeKernel, NotBuiltSaysWhatIsMissingAndHowToMakeIt) {
  make({"allnoconfig"});
  const auto kernel = get();
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().blame, Blame::kInput);
  EXPECT_THAT(kernel.error().what, HasSubstr("it has no vmlinux"));
  EXPECT_THAT(kernel.error().hint, HasSubstr("make -C"));
}

TEST_F(TreeKernel, OfAnotherArchitectureIsRefused) {
  make({"allnoconfig", image(), "modules"});
  const Arch other = host_arch() == Arch::kX86_64 ? Arch::kArm64 : Arch::kX86_64;
  const auto kernel = fetch_kernel(spec_, other, {});
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().blame, Blame::kInput);
  EXPECT_THAT(kernel.error().what,
              HasSubstr(fmt::format("is built for {}", to_string(host_arch()))));
}

TEST_F(TreeKernel, LinkedAnewIsAnotherKernel) {
  make({"allnoconfig", image(), "modules"});
  const auto before = get();
  fs::last_write_time(path("tree/vmlinux"),
                      fs::last_write_time(path("tree/vmlinux")) + std::chrono::seconds(5));
  const auto after = get();
  ASSERT_TRUE(before && after);
  EXPECT_NE(before->version, after->version);
}

}  // namespace
}  // namespace rig::image
