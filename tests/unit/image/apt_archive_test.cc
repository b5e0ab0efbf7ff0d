// SPDX-License-Identifier: Apache-2.0
#include "image/apt_archive.h"

#include "unit/image/image_fixture.h"

namespace rig::image {
namespace {

TEST(Stanzas, AreSeparatedByEmptyLinesAndFoldContinuations) {
  const auto stanzas = parse_stanzas(
      "Package: a\nDepends: b,\n c\nno colon here\n\n\nPackage: d\nVersion: 1:2.3-4\n");
  ASSERT_EQ(stanzas.size(), 2U);
  EXPECT_EQ(stanzas[0].at("Depends"), "b, c");
  EXPECT_EQ(stanzas[1].at("Version"), "1:2.3-4");
  EXPECT_TRUE(parse_stanzas("").empty());
}

TEST(Depends, GivesFirstAlternativesAndExactVersions) {
  const auto packages = parse_depends(
      "linux-headers-6.1.0-50-common (= 6.1.176-1), kbuild (>= 6.1), a [amd64] | b, c:any");
  ASSERT_EQ(packages.size(), 4U);
  EXPECT_EQ(packages[0].to_string(), "linux-headers-6.1.0-50-common=6.1.176-1");
  EXPECT_EQ(packages[1].to_string(), "kbuild");
  EXPECT_EQ(packages[2].to_string(), "a");
  EXPECT_EQ(packages[3].to_string(), "c");
}

using Apt = ImageTest;

AptArchive debian() {
  return AptArchive({"/nonexistent", false, {}});
}

TEST_F(Apt, UnknownPackagesAreLeftOut) {
  add_program("apt-cache",
              "printf 'Package: a\\nVersion: 1\\n'; echo 'E: No packages found' >&2; exit 100");
  const auto stanzas = debian().show({"a", "b"});
  ASSERT_TRUE(stanzas) << stanzas.error().message();
  EXPECT_EQ(stanzas->size(), 1U);
}

TEST_F(Apt, DownloadTellsItsProgressAndFindsTheFiles) {
  add_program("apt-get",
              "echo 'dlstatus:1:12.5:Retrieving file 1 of 1'; echo noise; "
              "echo 'dlstatus:1:100.0:Retrieving file 1 of 1'; echo x > a_1_amd64.deb");
  fs::create_directories(path("dl"));
  std::vector<double> seen;
  const auto files =
      debian().download({{"a", "1"}}, path("dl"), [&](double part) { seen.push_back(part); });
  ASSERT_TRUE(files && *files) << files.error().message();
  EXPECT_EQ((*files)->front().filename(), "a_1_amd64.deb");
  EXPECT_EQ(seen, (std::vector<double>{0.125, 1.0}));
}

TEST_F(Apt, PackageGoneFromTheArchiveIsAbsenceNotAnError) {
  add_program(
      "apt-get",
      "echo 'E: Failed to fetch http://x/a.deb  404  Not Found [IP: 1.2.3.4 80]' >&2; exit 100");
  fs::create_directories(path("dl"));
  const auto files = debian().download({{"a", "1"}}, path("dl"));
  ASSERT_TRUE(files) << files.error().message();
  EXPECT_FALSE(files->has_value());
}

TEST_F(Apt, UnreachableArchiveIsAnErrorThatQuotesApt) {
  add_program("apt-get", "echo 'E: Temporary failure resolving host' >&2; exit 100");
  fs::create_directories(path("dl"));
  const auto files = debian().download({{"a", "1"}}, path("dl"));
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().blame, Blame::kRig);
  EXPECT_NE(files.error().what.find("Temporary failure resolving"), std::string::npos);
}

TEST_F(Apt, UpdateWithoutTheRightToIsAHint) {
  const Status status = debian().update();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().hint, "sudo apt-get update");
}

}  // namespace
}  // namespace rig::image
