// SPDX-License-Identifier: Apache-2.0
#include "image/kernel_config.h"

#include "image/kconfig.h"
#include "unit/image/image_fixture.h"

namespace rig::image {
namespace {

class KernelConfigTest : public ImageTest {
 protected:
  void SetUp() override {
    ImageTest::SetUp();
    config_.folders = {path("mine"), path("theirs")};
  }
  std::vector<ConfigOption> merge(Arch arch) {
    auto merged = merge_fragments(config_, arch);
    EXPECT_TRUE(merged) << merged.error().message();
    return merged.value_or(std::vector<ConfigOption>{});
  }

  scenario::KernelConfig config_;
};

TEST(Fragment, OptionsAreReadWithTheirPlaces) {
  const auto options =
      parse_fragment("# a comment\nCONFIG_A=y\n\n# CONFIG_B is not set\nCONFIG_C=\"a b\"\n", "x");
  ASSERT_TRUE(options) << options.error().message();
  ASSERT_EQ(options->size(), 3U);
  EXPECT_EQ((*options)[0].place, "x:2");
  EXPECT_EQ((*options)[1].name, "CONFIG_B");
  EXPECT_EQ((*options)[1].value, "n");
  EXPECT_EQ((*options)[2].value, "\"a b\"");
}

TEST(Fragment, WhatIsNoOptionIsRefusedWithItsPlace) {
  for (const char* line : {"KASAN=y", "CONFIG_A", "CONFIG_A=", "CONFIG_=y", "CONFIG_A-B=y"}) {
    const auto options = parse_fragment(fmt::format("CONFIG_X=y\n{}\n", line), "f.config");
    ASSERT_FALSE(options) << line;
    EXPECT_EQ(options.error().blame, Blame::kInput);
    EXPECT_NE(options.error().what.find("f.config:2: "), std::string::npos);
  }
}

TEST_F(KernelConfigTest, LaterFragmentsWinAndArchitecturesAddTheirs) {
  write(path("theirs/guest.config"), "CONFIG_A=y\nCONFIG_B=y\n");
  write(path("theirs/guest-arm64.config"), "CONFIG_ARM=y\n");
  write(path("theirs/less.config"), "CONFIG_B=n\n");
  config_.fragments = {"guest", "less"};
  EXPECT_EQ(config_text(merge(Arch::kX86_64)), "CONFIG_A=y\n# CONFIG_B is not set\n");
  EXPECT_EQ(config_text(merge(Arch::kArm64)), "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_ARM=y\n");
}

TEST_F(KernelConfigTest, FragmentBesideTheDescriptionComesFirst) {
  write(path("theirs/guest.config"), "CONFIG_A=y\n");
  write(path("mine/guest.config"), "CONFIG_MINE=y\n");
  config_.fragments = {"guest"};
  EXPECT_EQ(config_text(merge(Arch::kX86_64)), "CONFIG_MINE=y\n");
}

TEST(FinishedConfig, WhatDidNotStickIsFound) {
  const auto asked =
      parse_fragment("CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=n\nCONFIG_D=n\nCONFIG_E=18\n", "f");
  ASSERT_TRUE(asked);
  const Config config("CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\nCONFIG_D=y\nCONFIG_E=18\n");
  const auto wrong = not_as_asked(*asked, config);
  ASSERT_EQ(wrong.size(), 2U);
  EXPECT_EQ(wrong[0].name, "CONFIG_B");
  EXPECT_EQ(wrong[1].name, "CONFIG_D");
  EXPECT_EQ(config.enabled(), 3U);
}

TEST(BlockingSymbols, NameWhatKeepsAnExpressionFromHolding) {
  const Config config("CONFIG_Y=y\nCONFIG_M=m\nCONFIG_S=\"x\"\n");
  const auto blocking = [&](std::string_view text) { return blocking_symbols(text, config); };
  EXPECT_EQ(blocking("Y"), "");
  EXPECT_EQ(blocking("M && Y"), "");
  EXPECT_EQ(blocking("N"), "N (n)");
  EXPECT_EQ(blocking("Y && N"), "N (n)");
  EXPECT_EQ(blocking("N1 && N2"), "N1 (n), N2 (n)");
  EXPECT_EQ(blocking("N1 || N2"), "N1 (n) or N2 (n)");
  EXPECT_EQ(blocking("N1 || Y"), "");
  EXPECT_EQ(blocking("!Y"), "Y (y)");
  EXPECT_EQ(blocking("!N"), "");
  EXPECT_EQ(blocking("!(Y && M)"), "Y (y) or M (m)");
  EXPECT_EQ(blocking("!(N || Y)"), "Y (y)");
  EXPECT_EQ(blocking("M=y"), "M (m)");
  EXPECT_EQ(blocking("Y != y"), "Y (y)");
  EXPECT_EQ(blocking("S = \"x\""), "");
  EXPECT_EQ(blocking("$(cc-option,-fx) && N"), "N (n)");
}

TEST(BlockingSymbols, AnyTextEnds) {
  const Config config("");
  for (const char* text : {"", "(", "((((", ")", "!", "!!", "&&", "A &&", "|| A", "\"", "$(",
                           "A = ", "%%%%", "A B C", "!=!=!="}) {
    blocking_symbols(text, config);
  }
  blocking_symbols(std::string(10'000, '('), config);
  blocking_symbols(std::string(10'000, '!') + "A", config);
}

class KconfigTest : public ImageTest {
 protected:
  std::string why_not(const std::string& name, const std::string& wanted, const char* config) {
    const auto kconfig = Kconfig::read(path("tree"), "arm64");
    EXPECT_TRUE(kconfig) << kconfig.error().message();
    return kconfig ? kconfig->why_not(name, wanted, Config(config)) : "";
  }
  void tree(const std::string& text) { write(path("tree/Kconfig"), text); }
};

TEST_F(KconfigTest, UnmetDependencyIsNamed) {
  tree(
      "config KEXEC\n\tdepends on PM_SLEEP_SMP\n\tbool \"kexec\"\n\thelp\n\t  It says:\n"
      "\t    config NOT_ONE\n\nconfig OTHER\n\tbool \"o\"\n");
  EXPECT_EQ(why_not("KEXEC", "y", "CONFIG_OTHER=y\n"), "it depends on PM_SLEEP_SMP (n)");
  EXPECT_TRUE(why_not("NOT_ONE", "y", "").starts_with("there is no such option"));
}

TEST_F(KconfigTest, MenusIfsAndPromptsCountToo) {
  tree(
      "menu \"m\"\n\tdepends on NET\nif USB\nconfig A\n\tbool \"a\" if EXPERT\n\tdepends on \\\n"
      "\t\tPCI\nendif\nendmenu\nconfig B\n\tbool \"b\"\n");
  EXPECT_EQ(why_not("A", "y", "CONFIG_USB=y\n"), "it depends on NET (n), EXPERT (n), PCI (n)");
  EXPECT_EQ(why_not("B", "y", ""), "another option of its choice or range won");
}

TEST_F(KconfigTest, FilesOfTheArchitectureAreFollowed) {
  tree("source \"arch/$(SRCARCH)/Kconfig\"\nsource \"missing/Kconfig\"\n");
  write(path("tree/arch/arm64/Kconfig"), "config ARM\n\tbool \"arm\"\n\tdepends on X\n");
  EXPECT_EQ(why_not("ARM", "y", ""), "it depends on X (n)");
}

TEST_F(KconfigTest, WhatCannotBeTurnedOffOrOnIsToldSo) {
  tree("config HIDDEN\n\tbool\nconfig USER\n\tbool \"u\"\n\tselect HIDDEN if X\n");
  EXPECT_EQ(why_not("HIDDEN", "n", "CONFIG_USER=y\nCONFIG_HIDDEN=y\n"), "it is selected by USER");
  EXPECT_EQ(why_not("HIDDEN", "y", ""), "it cannot be set by itself: other options select it");
}

TEST_F(KconfigTest, MisspeltOptionGetsTheNearest) {
  tree("config KASAN_INLINE\n\tbool \"k\"\n");
  EXPECT_EQ(why_not("KASAN_INLIN", "y", ""),
            "there is no such option in this kernel, did you mean KASAN_INLINE?");
}

TEST_F(KconfigTest, FileThatIncludesItselfEnds) {
  tree("source \"Kconfig\"\nconfig A\n\tbool \"a\"\n\tdepends on B\n");
  EXPECT_EQ(why_not("A", "y", ""), "it depends on B (n)");
}

}  // namespace
}  // namespace rig::image
