// SPDX-License-Identifier: Apache-2.0
// The debuginfo is compiled from tests/data/debuginfo when the tests are built.
#include "analyzer/symbols/debuginfo.h"

#include <fcntl.h>
#include <gelf.h>
#include <gmock/gmock.h>

#include "analyzer/symbols/debuginfo_module.h"
#include "fakes/fake_memory.h"
#include "fakes/synthetic_btf.h"

namespace rig::analyzer {
namespace {

using fake::BtfBuilder;
using fake::FakeVirtMemory;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const fs::path kPackages = fs::path(RIG_DEBUGINFO) / "two";
const fs::path kBoot = kPackages / "usr/lib/debug/boot";
const fs::path kModule = kPackages / "usr/lib/debug/lib/modules/6.1/kernel/drivers/my-sample.ko";
const std::string kBuild(40, '1');
const std::string kOtherBuild(40, '2');
const std::string kModuleBuild(40, '3');
constexpr std::uint64_t kMoved = 0x1a00'0000;  // by KASLR

struct Function {
  std::uint64_t address = 0, size = 0;
};

// A symbol's place in an ELF file; in a relocatable one, within its section.
Function find_function(const fs::path& file, std::string_view name) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  ::elf_version(EV_CURRENT);
  const std::unique_ptr<Elf, int (*)(Elf*)> elf(::elf_begin(fd.get(), ELF_C_READ, nullptr),
                                                ::elf_end);
  for (Elf_Scn* section = nullptr; (section = ::elf_nextscn(elf.get(), section)) != nullptr;) {
    GElf_Shdr header;
    ::gelf_getshdr(section, &header);
    if (header.sh_type != SHT_SYMTAB) continue;
    Elf_Data* data = ::elf_getdata(section, nullptr);
    GElf_Sym symbol;
    for (int i = 0; ::gelf_getsym(data, i, &symbol) != nullptr; ++i) {
      const char* text = ::elf_strptr(elf.get(), header.sh_link, symbol.st_name);
      if (text != nullptr && name == text) return {symbol.st_value, symbol.st_size};
    }
  }
  ADD_FAILURE() << "no " << name << " in " << file;
  return {};
}

// "count_once include/count.h:3, start_kernel init/main.c:9": each but the last must be inlined.
std::string to_text(const std::vector<SourceLine>& lines) {
  std::string text;
  for (const SourceLine& each : lines) {
    const bool last = &each == &lines.back();
    EXPECT_EQ(each.inlined, !last) << each.function;
    text += fmt::format("{} {}:{}{}", each.function, each.file, each.line, last ? "" : ", ");
  }
  return text;
}

// Every answer for the addresses of a function.
template <typename Lines>
std::vector<std::string> all_lines(Function function, Lines lines) {
  std::vector<std::string> all;
  for (std::uint64_t i = 0; i < function.size; ++i) {
    all.push_back(to_text(lines(function.address + i)));
  }
  return all;
}

Error error_of(const fs::path& path, std::string_view build_id) {
  const auto opened = Debuginfo::open(path, build_id);
  EXPECT_FALSE(opened);
  return opened ? Error{} : opened.error();
}

class KernelLines : public testing::TestWithParam<fs::path> {};
INSTANTIATE_TEST_SUITE_P(From, KernelLines,
                         testing::Values(kBoot / "vmlinux-6.1", kPackages,
                                         kPackages / "usr/lib/debug",
                                         fs::path(RIG_DEBUGINFO) / "odd/vmlinux-no-aranges"),
                         [](const auto& path) {
                           std::string name = path.param.filename();
                           std::erase_if(name, [](char c) { return !std::isalnum(c); });
                           return name + std::to_string(path.index);
                         });

TEST_P(KernelLines, InlinedCallersComeInnermostFirstWithFilesOfTheSourceTree) {
  const auto debuginfo = Debuginfo::open(GetParam(), kBuild, kMoved);
  ASSERT_TRUE(debuginfo) << debuginfo.error().message();
  const auto lines = [&](std::uint64_t at) { return debuginfo->lines(VirtAddr{at + kMoved}); };
  const auto function = find_function(kBoot / "vmlinux-6.1", "start_kernel");
  EXPECT_THAT(all_lines(function, lines),
              Contains("count_once include/count.h:3, count_twice include/count.h:8, "
                       "start_kernel init/main.c:9"));
  const auto other = find_function(kBoot / "vmlinux-6.1", "rest_init");
  EXPECT_THAT(all_lines(other, lines), Contains("rest_init init/main.c:14"));
  EXPECT_THAT(debuginfo->remarks(), IsEmpty());
}

TEST(Debuginfo, AddressesOutsideTheKernelHaveNoLines) {
  const auto debuginfo = Debuginfo::open(kPackages, kBuild);
  ASSERT_TRUE(debuginfo) << debuginfo.error().message();
  for (const std::uint64_t at :
       {std::uint64_t{0}, std::uint64_t{0xffff'ffff'c000'0000}, ~std::uint64_t{0}}) {
    EXPECT_THAT(debuginfo->lines(VirtAddr{at}), IsEmpty());
  }
}

TEST(Debuginfo, TheBuildIdChoosesBetweenTwoKernelsOfOneFolder) {
  const auto debuginfo = Debuginfo::open(kPackages, kOtherBuild);
  ASSERT_TRUE(debuginfo) << debuginfo.error().message();
  EXPECT_EQ(debuginfo->vmlinux(), kBoot / "vmlinux-6.2");
}

TEST(Debuginfo, AnotherBuildIsRefusedWithBothBuildIds) {
  const std::string wanted(40, '9');
  const Error error = error_of(kBoot / "vmlinux-6.1", wanted);
  EXPECT_EQ(error.blame, Blame::kInput);
  EXPECT_THAT(error.what, AllOf(HasSubstr(wanted), HasSubstr(kBuild), HasSubstr("vmlinux-6.1")));
  EXPECT_THAT(error_of(kPackages, wanted).what, AllOf(HasSubstr(kBuild), HasSubstr(kOtherBuild)));
}

TEST(Debuginfo, AFolderWithoutAKernelSaysWhatWasLookedFor) {
  const auto empty = TempDir::create("debuginfo-test");
  ASSERT_TRUE(empty);
  const Error error = error_of(empty->path(), kBuild);
  EXPECT_EQ(error.blame, Blame::kInput);
  EXPECT_THAT(error.what, AllOf(HasSubstr("boot/vmlinux-*"),
                                HasSubstr(".build-id/11/" + std::string(38, '1') + ".debug")));
  EXPECT_THAT(error.hint, HasSubstr("-dbg"));
  EXPECT_THAT(error_of(empty->path() / "gone", kBuild).what, HasSubstr("is not there"));
}

TEST(Debuginfo, ABuildIdLinkIsFollowedWhateverTheFileIsCalled) {
  const auto folder = TempDir::create("debuginfo-test");
  ASSERT_TRUE(folder);
  fs::create_directories(folder->path() / ".build-id/11");
  fs::create_symlink(kBoot / "vmlinux-6.1",
                     folder->path() / ".build-id/11" / (std::string(38, '1') + ".debug"));
  EXPECT_TRUE(Debuginfo::open(folder->path(), kBuild));
  EXPECT_FALSE(Debuginfo::open(folder->path(), kOtherBuild));
}

TEST(Debuginfo, WithoutABuildIdOneKernelIsBelievedAndRemarkedOnButNotOneOfTwo) {
  const auto one = Debuginfo::open(kBoot / "vmlinux-6.1", "");
  ASSERT_TRUE(one) << one.error().message();
  EXPECT_THAT(one->remarks(), ElementsAre(HasSubstr("could not be checked")));
  EXPECT_THAT(error_of(kPackages, "").what, HasSubstr("has 2 of them"));
}

TEST(Debuginfo, AStrippedKernelAndAFileThatIsNoneAreRefused) {
  const fs::path stripped = fs::path(RIG_DEBUGINFO) / "odd/vmlinux-stripped";
  EXPECT_THAT(error_of(stripped, kBuild).what, HasSubstr("has no DWARF"));
  EXPECT_THAT(error_of(RIG_TEST_DATA "/oops/README.md", kBuild).what,
              HasSubstr("is not an ELF file"));
}

ModuleObject sample() {
  return {"my_sample",
          kModuleBuild,
          {{".text", VirtAddr{0xffff'ffff'c030'0000}},
           {".text.unlikely", VirtAddr{0xffff'ffff'c030'2000}},
           {".data", VirtAddr{0xffff'ffff'c030'4000}}}};
}

TEST(Debuginfo, AModulesSectionsAreRelocatedToWhereTheCoreHasThem) {
  auto debuginfo = Debuginfo::open(kPackages, kBuild, kMoved);
  ASSERT_TRUE(debuginfo) << debuginfo.error().message();
  const auto lines_from = [&](std::uint64_t section) {
    return [&, section](std::uint64_t at) {
      auto lines = debuginfo->lines(sample(), VirtAddr{section + at});
      EXPECT_TRUE(lines) << lines.error().message();
      return lines.value_or(std::vector<SourceLine>());
    };
  };
  EXPECT_THAT(all_lines(find_function(kModule, "sample_probe"), lines_from(0xffff'ffff'c030'0000)),
              Contains("count_once include/count.h:3, sample_probe drivers/my-sample.c:16"));
  EXPECT_THAT(all_lines(find_function(kModule, "sample_remove"), lines_from(0xffff'ffff'c030'2000)),
              Contains("sample_remove drivers/my-sample.c:21"));
}

TEST(Debuginfo, AModuleOfAnotherBuildIsRefusedWithBothBuildIds) {
  auto debuginfo = Debuginfo::open(kPackages, kBuild);
  ASSERT_TRUE(debuginfo) << debuginfo.error().message();
  ModuleObject other = sample();
  other.build_id = std::string(40, '4');
  const auto lines = debuginfo->lines(other, other.sections[0].address);
  ASSERT_FALSE(lines);
  EXPECT_THAT(lines.error().what, AllOf(HasSubstr("module my_sample"), HasSubstr(other.build_id),
                                        HasSubstr(kModuleBuild)));
}

TEST(Debuginfo, AModuleWithoutAFileOrBuildIdSaysSo) {
  auto debuginfo = Debuginfo::open(kPackages, kBuild);
  ASSERT_TRUE(debuginfo) << debuginfo.error().message();
  ModuleObject unknown = sample();
  unknown.name = "toa";
  EXPECT_THAT(debuginfo->lines(unknown, VirtAddr{}).error().what, HasSubstr("nor a toa.ko"));
  ModuleObject silent = sample();
  silent.build_id.clear();
  EXPECT_THAT(debuginfo->lines(silent, VirtAddr{}).error().what,
              HasSubstr("does not say of which build"));
}

TEST(Debuginfo, AModuleThatLiesElsewhereIsFoundOnceItsFolderIsNamed) {
  auto debuginfo = Debuginfo::open(kBoot / "vmlinux-6.2", kOtherBuild);
  ASSERT_TRUE(debuginfo) << debuginfo.error().message();
  const auto folder = TempDir::create("debuginfo-test");
  ASSERT_TRUE(folder);
  fs::copy_file(kModule, folder->path() / "out-of-tree.ko");
  debuginfo->also_look_in(folder->path());
  ModuleObject moved = sample();
  moved.name = "out_of_tree";
  const auto lines = debuginfo->lines(moved, moved.sections[0].address);
  ASSERT_TRUE(lines) << lines.error().message();
  EXPECT_FALSE(lines->empty());
}

// What struct module leads to in sysfs's form, as three generations of kernels have it.
enum class Generation { kNamed, kBinAttribute, kListed };

class ModuleInCore : public testing::TestWithParam<Generation> {
 protected:
  static constexpr std::uint64_t kAt = 0xffff'ffff'c050'8000;
  static constexpr std::uint64_t kText = 0xffff'ffff'c050'0000;
  static constexpr std::uint64_t kSections = 0xffff'8880'0100'0000;
  static constexpr std::uint64_t kNotes = 0xffff'8880'0200'0000;
  static constexpr std::uint64_t kNames = 0xffff'8880'0300'0000;

  ModuleInCore() {
    memory_.put(kAt, kSections);
    memory_.put(kAt + 8, kNotes);
    memory_.put_text(kNames, ".text");
    memory_.put_text(kNames + 32, ".init.text");
    memory_.put_text(kNames + 64, ".note.gnu.build-id");
    memory_.put_text(kNames + 96, ".note.Linux");
    section(0, kNames, kText);
    section(1, kNames + 32, kText + 0x10000);  // freed: outside of the module
    notes(0, kNames + 96, kText + 0x100);
    notes(1, kNames + 64, kText + 0x200);
    if (GetParam() != Generation::kListed) {
      memory_.put(kSections + 16, std::uint32_t{2});
      memory_.put(kNotes + 16, std::uint32_t{2});
    }
    note(kText + 0x100, 0x100, "Linux", "x");
    note(kText + 0x200, 3, "GNU", std::string(20, '\x33'));
  }

  // Attributes of 64 bytes from +64 on; the list of them, where there is one, at +4096.
  void section(unsigned i, std::uint64_t name, std::uint64_t address) {
    const std::uint64_t at = kSections + 64 + i * 64;
    memory_.put(at, name);
    memory_.put(at + (GetParam() == Generation::kListed ? 24 : 48), address);
    list(kSections, i, at);
  }
  void notes(unsigned i, std::uint64_t name, std::uint64_t address) {
    const std::uint64_t at = kNotes + 64 + i * 64;
    memory_.put(at, name);
    memory_.put(at + 16, std::uint64_t{40});
    memory_.put(at + 24, address);
    list(kNotes, i, at);
  }
  void list(std::uint64_t attrs, unsigned i, std::uint64_t at) {
    if (GetParam() != Generation::kListed) return;
    memory_.put(attrs, attrs + 4096);
    memory_.put(attrs + 4096 + i * 8, at);
    memory_.put(attrs + 4096 + i * 8 + 8, std::uint64_t{0});
  }
  void note(std::uint64_t at, std::uint32_t type, std::string name, std::string_view id) {
    memory_.put(at, static_cast<std::uint32_t>(name.size() + 1));
    memory_.put(at + 4, static_cast<std::uint32_t>(id.size()));
    memory_.put(at + 8, type);
    memory_.put_text(at + 12, name);
    memory_.pages.write(at + 12 + align_up(name.size() + 1, 4), as_bytes(id));
  }

  static Btf types() {
    BtfBuilder btf;
    const int u32 = btf.integer("unsigned int", 4);
    const int u64 = btf.integer("unsigned long", 8);
    const int ptr = btf.pointer();
    btf.structure("module", 64, {{"sect_attrs", ptr, 0}, {"notes_attrs", ptr, 8}});
    const int attribute = btf.structure("attribute", 16, {{"name", ptr, 0}});
    const int bin = btf.structure(
        "bin_attribute", 64, {{"attr", attribute, 0}, {"size", u64, 16}, {"private", ptr, 24}});
    const int group = btf.structure("attribute_group", 16, {{"bin_attrs", ptr, 0}});
    const int bins = btf.array(bin, 0);
    if (GetParam() == Generation::kListed) {
      btf.structure("module_sect_attrs", 64, {{"grp", group, 0}, {"attrs", bins, 64}});
      btf.structure("module_notes_attrs", 64, {{"grp", group, 0}, {"attrs", bins, 64}});
      return btf.build();
    }
    const bool named = GetParam() == Generation::kNamed;
    const int each =
        btf.structure("module_sect_attr", 64,
                      {{named ? "name" : "battr", named ? ptr : bin, 0}, {"address", u64, 48}});
    btf.structure("module_sect_attrs", 64,
                  {{"grp", group, 0}, {"nsections", u32, 16}, {"attrs", btf.array(each, 0), 64}});
    btf.structure("module_notes_attrs", 64, {{"notes", u32, 16}, {"attrs", bins, 64}});
    return btf.build();
  }

  ModuleObject read() const {
    return read_module_object(memory_, types(),
                              {VirtAddr{kAt}, "toa", {{VirtAddr{kText}, 0x4000, true}}});
  }

  FakeVirtMemory memory_;
};
std::string name_of(const testing::TestParamInfo<Generation>& layout) {
  constexpr std::string_view kKinds[] = {"Named", "BinAttribute", "Listed"};
  return std::string(kKinds[static_cast<std::size_t>(layout.param)]);
}
INSTANTIATE_TEST_SUITE_P(Layout, ModuleInCore,
                         testing::Values(Generation::kNamed, Generation::kBinAttribute,
                                         Generation::kListed),
                         name_of);

TEST_P(ModuleInCore, ItsBuildIdAndLoadedSectionsAreRead) {
  const ModuleObject object = read();
  EXPECT_EQ(object.name, "toa");
  EXPECT_EQ(object.build_id, kModuleBuild);
  ASSERT_THAT(object.sections, SizeIs(1));
  EXPECT_EQ(object.sections[0].name, ".text");
  EXPECT_EQ(object.sections[0].address, VirtAddr{kText});
}

TEST_P(ModuleInCore, DamagedAttributesAndNotesGiveNothingAndEnd) {
  memory_.put(kSections + 16, ~std::uint32_t{0});
  memory_.put(kNotes + 16, ~std::uint32_t{0});
  memory_.put(kText + 0x204, ~std::uint32_t{0});  // the size of the build id
  EXPECT_EQ(read().build_id, "");
  memory_.put(kAt, std::uint64_t{0x1234});
  memory_.put(kAt + 8, std::uint64_t{0});
  EXPECT_THAT(read().sections, IsEmpty());
}

}  // namespace
}  // namespace rig::analyzer
