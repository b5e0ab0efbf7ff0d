// SPDX-License-Identifier: Apache-2.0
// Modules of the kernel's own source, patched, against a tree in small.
#include "image/boot_image.h"
#include "unit/image/image_fixture.h"

namespace rig::image {
namespace {

constexpr const char* kDriver = "drivers/net/thing";

// Headers whose Makefile builds the modules of M's Kbuild, each of all C files there, and notes
// them with their parts; the source of version 6.1.1-1 in the cache, unpacked.
class ModuleInTree : public ImageTest {
 protected:
  void SetUp() override {
    ImageTest::SetUp();
    kernel_.name = spec_.name = "own";
    kernel_.release = "6.1.0-1-test";
    kernel_.package = "linux-image-6.1.0-1-test";
    kernel_.version = "6.1.1-1";
    kernel_.compiler = "gcc";
    kernel_.build = path("k/usr/src/headers");
    kernel_.modules = path("k/lib/modules");
    write(kernel_.build / "Makefile",
          "src := $(M)\n"
          "include $(M)/Kbuild\n"
          "modules: $(patsubst %.o,$(M)/%.ko,$(obj-m))\n"
          "$(M)/%.ko:\n\t@echo $(obj-y)$(obj-m): $($*-y) $($*-objs) >> ../asked\n"
          "\t@cat $(M)/*.c > $(M)/all.c; $(CC) -c $(KCFLAGS) -o $@ $(M)/all.c\n");
    spec_.provider = "debian";
    spec_.series = "6.1";
    add_source("6.1.1-1");
    add_program("apt-cache", "exit 1\n");  // nobody may need it
    module_ = {.in_tree = kDriver, .name = "thing"};
    options_.warn = [this](std::string_view text) { warnings_ += text; };
  }

  void add_source(const std::string& version) {
    const fs::path top = path("cache/crashrig/sources/linux-source-6.1_" + version);
    write(top / kDriver / "Makefile",
          "obj-$(CONFIG_THING) += thing.o other.o\nobj-y += always.o\nthing-objs := a.o b.o\n");
    write(top / kDriver / "a.c",
          "const char text[] = \"before\";\nint one;\nint two;\nint three;\nint four;\n");
    write(top / ".whole", "");
  }

  fs::path patch(const std::string& name, const std::string& text) {
    write(path(name), text);
    return path(name);
  }
  fs::path good_patch() {
    return patch("good.patch",
                 "What it does.\n\n--- a/drivers/net/thing/a.c\n+++ b/drivers/net/thing/a.c\n"
                 "@@ -1,2 +1,2 @@\n-const char text[] = \"before\";\n"
                 "+const char text[] = \"after\";\n int one;\n");
  }

  Result<fs::path> build() { return build_module(kernel_, spec_, module_, options_); }
  std::string asked() { return read_file(path("k/usr/src/asked")).value_or(""); }
  bool contains(const fs::path& file, const std::string& text) {
    return read_file(file).value_or("").find(text) != std::string::npos;
  }

  Kernel kernel_;
  scenario::KernelSpec spec_;
  scenario::Module module_;
  FetchOptions options_;
  std::string warnings_;
};

TEST_F(ModuleInTree, TheNamedModuleAloneIsBuiltWhateverTheConfigurationSays) {
  const auto module = build();
  ASSERT_TRUE(module) << module.error().message();
  EXPECT_EQ(module->filename(), "thing.ko");
  EXPECT_EQ(asked(), "thing.o: a.o b.o\n");
  EXPECT_TRUE(contains(*module, "before"));
  EXPECT_EQ(warnings_.find("linux-source"), std::string::npos) << warnings_;
}

TEST_F(ModuleInTree, PatchesAreMadeInACopyInTheirOrder) {
  const auto plain = build();
  module_.patches = {good_patch(),
                     patch("more.patch",
                           "--- a/drivers/net/thing/a.c\n+++ b/drivers/net/thing/a.c\n"
                           "@@ -1,2 +1,2 @@\n-const char text[] = \"after\";\n"
                           "+const char text[] = \"at last\";\n int one;\n")};
  const auto patched = build();
  ASSERT_TRUE(plain && patched) << patched.error().message();
  EXPECT_TRUE(contains(*patched, "at last"));
  EXPECT_TRUE(contains(*plain, "before"));
  EXPECT_TRUE(contains(path("cache/crashrig/sources/linux-source-6.1_6.1.1-1") / kDriver / "a.c",
                       "before"));
  write(path("more.patch"),
        "--- a/drivers/net/thing/b.c\n+++ b/drivers/net/thing/b.c\n"
        "@@ -0,0 +1 @@\n+int five;\n");
  const auto another = build();
  ASSERT_TRUE(another) << another.error().message();
  EXPECT_NE(*another, *patched);
}

TEST_F(ModuleInTree, PatchThatDoesNotApplyTellsTheHunkItsFileAndTheVersion) {
  module_.patches = {patch("bad.patch",
                           "--- a/drivers/net/thing/a.c\n+++ b/drivers/net/thing/a.c\n"
                           "@@ -4,2 +4,2 @@\n-int 3;\n+int drei;\n int four;\n")};
  const auto module = build();
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().blame, Blame::kInput);
  EXPECT_EQ(module.error().what,
            path("bad.patch").string() +
                " does not apply to drivers/net/thing of linux-source-6.1 6.1.1-1: "
                "drivers/net/thing/a.c: Hunk #1 FAILED at 4");
  EXPECT_NE(module.error().hint.find("linux-source-6.1 6.1.1-1"), std::string::npos);
}

TEST_F(ModuleInTree, HunkThatFitsOnlyNearlyIsRefused) {
  module_.patches = {patch("near.patch",
                           "--- a/drivers/net/thing/a.c\n+++ b/drivers/net/thing/a.c\n"
                           "@@ -1,5 +1,5 @@\n const char text[] = \"other\";\n int one;\n"
                           "-int two;\n+int zwei;\n int three;\n int four;\n")};
  EXPECT_FALSE(build());
}

TEST_F(ModuleInTree, PatchOfWhatIsNotBuiltOrOfNothingIsRefused) {
  module_.patches = {patch("far.patch",
                           "--- a/include/linux/x.h\n+++ b/include/linux/x.h\n"
                           "@@ -0,0 +1 @@\n+int x;\n")};
  auto module = build();
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().blame, Blame::kInput);
  EXPECT_NE(module.error().what.find("include/linux/x.h, but only drivers/net/thing is built"),
            std::string::npos)
      << module.error().what;
  module_.patches = {patch("empty.patch", "a letter\n")};
  module = build();
  ASSERT_FALSE(module);
  EXPECT_NE(module.error().what.find("nothing to apply"), std::string::npos);
}

TEST_F(ModuleInTree, CompileErrorNamesTheFileInTheSource) {
  module_.patches = {patch("broken.patch",
                           "--- a/drivers/net/thing/b.c\n+++ b/drivers/net/thing/b.c\n"
                           "@@ -0,0 +1 @@\n+broken\n")};
  const auto module = build();
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().blame, Blame::kInput);
  EXPECT_NE(
      module.error().what.find("drivers/net/thing of linux-source-6.1 6.1.1-1 does not build"),
      std::string::npos)
      << module.error().what;
  EXPECT_NE(module.error().what.find("\ndrivers/net/thing/all.c:"), std::string::npos)
      << module.error().what;
}

TEST_F(ModuleInTree, UnknownFolderGetsTheNearestThatThereIs) {
  module_.in_tree = "drivers/nett/thing";
  auto module = build();
  ASSERT_FALSE(module);
  EXPECT_EQ(
      module.error().what,
      "linux-source-6.1 6.1.1-1 has no folder drivers/nett/thing, did you mean 'drivers/net'?");
  module_.in_tree = "drivers/net";
  module = build();
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().blame, Blame::kInput);
}

TEST_F(ModuleInTree, WhatTheKernelHasBuiltInCannotBeReplaced) {
  write(kernel_.modules / "modules.builtin", "kernel/drivers/net/thing/thing.ko\n");
  const auto module = build();
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().blame, Blame::kInput);
  EXPECT_EQ(module.error().what,
            "the kernel 6.1.0-1-test has thing built in: a module cannot take its place");
}

TEST_F(ModuleInTree, SourceOfAnotherVersionServesWhereTheArchiveHasNoneOfTheKernels) {
  add_source("6.1.9-1");
  kernel_.version = "6.1.2-1";
  add_program("apt-cache", "echo 'Package: linux-source-6.1'; echo 'Version: 6.1.9-1'; echo\n");
  const auto module = build();
  ASSERT_TRUE(module) << module.error().message();
  EXPECT_NE(warnings_.find("no linux-source-6.1 6.1.2-1, the guest's kernel's: modules of its "
                           "source are built from 6.1.9-1"),
            std::string::npos)
      << warnings_;
}

TEST_F(ModuleInTree, OfATreeThatMakeWasRunInItsOwnSourceCounts) {
  write(path("linux/Makefile"), "");
  write(path("linux/drivers/net/thing/Makefile"), "");
  write(path("linux/drivers/net/thing/own.c"), "const char text[] = \"own\";\n");
  fs::create_directories(path("objects"));
  fs::create_symlink(path("linux"), path("objects/source"));
  spec_.provider = "tree";
  for (const char* build_folder : {"linux", "objects"}) {
    spec_.build = path(build_folder);
    const auto module = build();
    ASSERT_TRUE(module) << module.error().message();
    EXPECT_TRUE(contains(*module, "own"));
  }
}

}  // namespace
}  // namespace rig::image
