// SPDX-License-Identifier: Apache-2.0
#include "layout.h"

#include <elf.h>
#include <gmock/gmock.h>

#include <cstring>

#include "image/toolchain.h"

namespace rig {
namespace {

using testing::HasSubstr;

// A repository and its build: agents and one load for both architectures, unless removed.
class LayoutTest : public testing::Test {
 protected:
  LayoutTest() {
    layout_ = {folder_->path() / "root", folder_->path() / "build"};
    for (const char* arch : {"x86_64", "arm64"}) {
      add(guests() / arch / "agent", EM_X86_64);
      add(guests() / arch / "stress/load", EM_X86_64);
    }
  }
  fs::path guests() const { return layout_.build / "guest"; }

  void add(const fs::path& program, unsigned machine) {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_machine = static_cast<Elf64_Half>(machine);
    fs::create_directories(program.parent_path());
    ASSERT_TRUE(write_file_atomically(
        program, std::string_view(reinterpret_cast<const char*>(&header), sizeof header)));
  }

  Result<TempDir> folder_ = TempDir::create("layout-test");
  Layout layout_;
};

TEST_F(LayoutTest, EveryArchitectureHasItsOwnProgramsUnderTheSameNames) {
  EXPECT_EQ(layout_.agent(Arch::kArm64).value(), guests() / "arm64/agent");
  EXPECT_EQ(layout_.agent(Arch::kX86_64).value(), guests() / "x86_64/agent");
  for (const fs::path& named :
       {fs::path("guest/stress/load"), layout_.root / "guest/stress/load"}) {
    EXPECT_EQ(layout_.stress_program(named, Arch::kArm64).value(), guests() / "arm64/stress/load");
  }
}

TEST_F(LayoutTest, ProgramsThatWereNotBuiltForAnArchitectureAreTheRigsFault) {
  const Arch other = image::host_arch() == Arch::kArm64 ? Arch::kX86_64 : Arch::kArm64;
  fs::remove_all(guests() / to_string(other));
  for (const auto& missing :
       {layout_.agent(other), layout_.stress_program("guest/stress/load", other)}) {
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().blame, Blame::kRig);
    EXPECT_THAT(missing.error().message(), HasSubstr(std::string(to_string(other))));
    EXPECT_THAT(missing.error().hint, HasSubstr("./rig build"));
  }
}

TEST_F(LayoutTest, OwnProgramOfAnotherArchitectureIsRefusedBeforeTheGuestDoes) {
  const fs::path mine = folder_->path() / "mine";
  add(mine, EM_X86_64);
  EXPECT_EQ(layout_.stress_program(mine, Arch::kX86_64).value(), mine);
  const auto refused = layout_.stress_program(mine, Arch::kArm64);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().blame, Blame::kInput);
  EXPECT_THAT(refused.error().what, HasSubstr("arm64"));
}

TEST_F(LayoutTest, ProgramThatIsNowhereIsTheUsersError) {
  const auto missing = layout_.stress_program("guest/stress/laod", Arch::kX86_64);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().blame, Blame::kInput);
}

}  // namespace
}  // namespace rig
