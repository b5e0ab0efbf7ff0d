// SPDX-License-Identifier: Apache-2.0
// What a scenario brings along: programs, modules and files of its author's own.
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "scenario/scenario.h"

namespace rig::scenario {
namespace {

using testing::HasSubstr;

const fs::path kUserRoot = fs::path(RIG_TEST_DATA) / "scenario-root";

// A scenario and what lies beside it.
class UserFiles : public testing::Test {
 protected:
  UserFiles() { EXPECT_TRUE(folder_); }
  const fs::path& folder() const { return folder_->path(); }

  void put(const fs::path& name, const std::string& content) {
    fs::create_directories((folder() / name).parent_path());
    EXPECT_TRUE(write_file_atomically(folder() / name, content));
  }
  Result<Scenario> load(const std::string& rest, const std::string& archs = "x86_64") {
    put("s.yaml", "name: n\nsummary: s\narch: [" + archs + "]\nkernel: debian-6.1\n" + rest);
    return load_scenario(folder() / "s.yaml", {.root = kUserRoot});
  }
  Result<Scenario> load_program(const std::string& program, const std::string& archs = "x86_64") {
    return load("variants: {v: {expect: survive}}\nstress: {program: " + program + "}\n", archs);
  }
  Result<Scenario> load_guest(const std::string& guest) {
    return load("guest: " + guest +
                "\nvariants: {v: {module: guest/modules/late_completion, expect: survive}}\n");
  }

 private:
  Result<TempDir> folder_ = TempDir::create("user-files-test");
};

struct Elf {
  std::uint16_t machine = EM_X86_64;
  std::uint32_t segment = PT_LOAD;
  std::uint64_t entry = 0x1000;
};

// An ELF file with one program header.
std::string elf(const Elf& what) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_type = ET_DYN;
  header.e_machine = what.machine;
  header.e_entry = what.entry;
  header.e_phoff = sizeof(header);
  header.e_phnum = 1;
  Elf64_Phdr program{};
  program.p_type = what.segment;
  std::string bytes(sizeof(header) + sizeof(program), '\0');
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::memcpy(bytes.data() + sizeof(header), &program, sizeof(program));
  return bytes;
}

TEST_F(UserFiles, StaticProgramBesideTheScenarioIsFound) {
  put("load", elf({}));
  for (const std::string& written :
       {std::string("load"), std::string("./load"), (folder() / "load").string()}) {
    const auto s = load_program(written);
    ASSERT_TRUE(s) << s.error().message();
    EXPECT_EQ(s->stress->programs.at(Arch::kX86_64), folder() / "load");
  }
}

TEST_F(UserFiles, ProgramThatNoGuestCouldRunIsRefused) {
  const std::pair<Elf, const char*> cases[] = {
      {{.segment = PT_INTERP}, "s.yaml:6:19: program './load' is dynamically linked"},
      {{.machine = EM_AARCH64}, "program './load' is for arm64, and does not run in x86_64 guests"},
      {{.machine = EM_PPC64}, "program './load' is for another machine (ELF 21)"},
      {{.entry = 0}, "program './load' is a library"}};
  for (const auto& [what, message] : cases) {
    put("load", elf(what));
    const auto s = load_program("./load");
    ASSERT_FALSE(s) << message;
    EXPECT_EQ(s.error().blame, Blame::kInput);
    EXPECT_THAT(s.error().what, HasSubstr(message));
  }
  put("load", "#!/bin/sh\n");
  EXPECT_THAT(load_program("./load").error().what, HasSubstr("no 64-bit ELF program"));
}

TEST_F(UserFiles, EachArchitectureCanHaveAProgramOfItsOwn) {
  put("x86", elf({}));
  put("arm", elf({.machine = EM_AARCH64}));
  const auto both = load_program("{x86_64: ./x86, arm64: ./arm}", "x86_64, arm64");
  ASSERT_TRUE(both) << both.error().message();
  EXPECT_EQ(both->stress->programs.at(Arch::kX86_64), folder() / "x86");
  EXPECT_EQ(both->stress->programs.at(Arch::kArm64), folder() / "arm");

  EXPECT_THAT(load_program("./x86", "x86_64, arm64").error().what,
              HasSubstr("does not run in arm64 guests: write one for each architecture"));
  EXPECT_THAT(load_program("{x86_64: ./arm, arm64: ./arm}", "x86_64, arm64").error().what,
              HasSubstr("program './arm' is for arm64, and does not run in x86_64 guests"));
  EXPECT_THAT(load_program("{x86_64: ./x86}", "x86_64, arm64").error().what,
              HasSubstr("'program' has none for arm64, which the scenario runs on"));
  EXPECT_THAT(load_program("{x86_46: ./x86}").error().what, HasSubstr("did you mean 'x86_64'?"));
}

TEST_F(UserFiles, PathsStartFromTheRepositoryAndWithADotFromTheScenario) {
  // The repository has one of this name too.
  put("guest/modules/late_completion/Kbuild", "");
  const auto module_of = [&](const std::string& written) {
    const auto s = load("variants: {v: {module: " + written + ", expect: survive}}\n");
    EXPECT_TRUE(s) << s.error().message();
    return s ? s->variants.at(0).module.folder : fs::path();
  };
  EXPECT_EQ(module_of("guest/modules/late_completion"),
            kUserRoot / "guest/modules/late_completion");
  EXPECT_EQ(module_of("./guest/modules/late_completion/"),
            folder() / "guest/modules/late_completion");
  put("mine/Kbuild", "");
  EXPECT_EQ(module_of("mine"), folder() / "mine");
}

TEST_F(UserFiles, MissingModuleIsAnsweredWithWhatIsBesideTheScenario) {
  put("driver/Kbuild", "");
  const auto s = load("variants: {v: {module: ./drivr, expect: survive}}\n");
  ASSERT_FALSE(s);
  EXPECT_THAT(s.error().what,
              HasSubstr("module './drivr' does not exist, did you mean './driver'?"));
}

TEST_F(UserFiles, FilesAndFoldersReachTheGuestWithTheirPermissions) {
  put("firmware/acme/a.bin", "12345");
  put("firmware/b.bin", "");
  put("input", "xyz");
  fs::permissions(folder() / "input", fs::perms::owner_all);
  fs::create_symlink(folder() / "input", folder() / "firmware/link");
  const auto s = load_guest("{files: {/lib/firmware/: ./firmware, /data/input.bin: ./input}}");
  ASSERT_TRUE(s) << s.error().message();
  const auto& files = s->guest.files;
  ASSERT_EQ(files.size(), 4u);
  EXPECT_EQ(files[0].to, "/data/input.bin");
  EXPECT_EQ(files[0].from, folder() / "input");
  EXPECT_EQ(files[0].mode, 0700u);
  EXPECT_EQ(files[0].bytes, 3u);
  EXPECT_EQ(files[1].to, "/lib/firmware/acme/a.bin");
  EXPECT_EQ(files[2].to, "/lib/firmware/b.bin");
  EXPECT_EQ(files[3].to, "/lib/firmware/link");
  EXPECT_EQ(files[3].bytes, 3u);
}

TEST_F(UserFiles, FilesThatCannotBeCopiedAreRefused) {
  put("dir/a", "a");
  fs::create_directories(folder() / "empty");
  fs::create_directories(folder() / "links");
  fs::create_directory_symlink(folder() / "dir", folder() / "links/dir");
  const std::pair<const char*, const char*> cases[] = {
      {"{data: ./dir}", "s.yaml:5:17: a path in the guest is absolute and has no '..'"},
      {"{/a/../b: ./dir}", "absolute and has no '..'"},
      {"{/dev/x: ./dir}", "/dev is the guest kernel's own"},
      {"{/sys: ./dir}", "/sys is the guest kernel's own"},
      {"{/: ./dir/a}", "a file needs a name in the guest"},
      {"{/data: ./nowhere}", "s.yaml:5:24: './nowhere' does not exist"},
      {"{/data: ./empty}", "there is no file in"},
      {"{/data: ./links}", "cannot be copied: it is no file, nor a link to one"},
      {"{/data: ./dir, /data/a: ./dir/a}", "two files for '/data/a' in the guest"},
      {"{/data: [./dir]}", "must be a text"},
      {"{}", "'files' is empty"}};
  for (const auto& [files, message] : cases) {
    const auto s = load_guest(fmt::format("{{files: {}}}", files));
    ASSERT_FALSE(s) << files;
    EXPECT_EQ(s.error().blame, Blame::kInput);
    EXPECT_THAT(s.error().what, HasSubstr(message));
  }
}

TEST_F(UserFiles, FilesFitIntoTheGuest) {
  put("big", "");
  fs::resize_file(folder() / "big", 20u << 20);
  EXPECT_TRUE(load_guest("{memory: 80M, files: {/big: ./big}}"));
  EXPECT_THAT(load_guest("{memory: 79M, files: {/big: ./big}}").error().what,
              HasSubstr("may take a quarter of its 79 MiB"));
  fs::resize_file(folder() / "big", 65u << 20);
  EXPECT_THAT(load_guest("{memory: 1G, files: {/big: ./big}}").error().what,
              HasSubstr("'files' have at most 64 MiB together"));
  for (unsigned i = 0; i <= kMaxGuestFiles; ++i) put(fmt::format("many/{}", i), "");
  EXPECT_THAT(load_guest("{files: {/many: ./many}}").error().what,
              HasSubstr("'files' are at most 1000"));
}

}  // namespace
}  // namespace rig::scenario
