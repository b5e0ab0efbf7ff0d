// SPDX-License-Identifier: Apache-2.0
#include "image/module_types.h"

#include "image/toolchain.h"
#include "unit/image/image_fixture.h"

namespace rig::image {
namespace {

// BTF with `types` bytes of types and one empty string; `first_string` lies about it.
std::string make_btf(std::uint32_t types, char first_string = '\0') {
  std::string bytes("\x9f\xeb\x01\x00\x18\x00\x00\x00", 8);
  for (const std::uint32_t word : {0U, types, types, 1U}) append_struct(bytes, word);
  return bytes + std::string(types, 't') + first_string;
}

std::size_t found(const std::string& image) {
  const auto types = find_types(as_bytes(image));
  return types ? types->size() : 0;
}

TEST(FindTypes, TheLargestBtfInTheImageIsTheKernels) {
  const std::string small = make_btf(12), large = make_btf(60);
  EXPECT_EQ(found(std::string(777, 'k') + small + large + "rest"), large.size());
  EXPECT_EQ(found(large + small), large.size());
}

TEST(FindTypes, NumbersThatOnlyLookLikeAHeaderAreNone) {
  EXPECT_EQ(found(""), 0U);
  EXPECT_EQ(found(make_btf(0)), 0U) << "no types";
  EXPECT_EQ(found(make_btf(12, 'x')), 0U) << "the first string of BTF is empty";
  const std::string cut = make_btf(24);
  EXPECT_EQ(found(cut.substr(0, cut.size() - 1)), 0U) << "reaches beyond the image";
  EXPECT_EQ(found(cut.substr(0, 12)), 0U);
}

TEST(HasSection, OfDamagedFilesIsNoAnswer) {
  EXPECT_FALSE(has_section({}, ".BTF"));
  std::string elf = make_vmlinux(1);
  EXPECT_FALSE(has_section(as_bytes(elf), ".BTF")) << "it has no sections";
  put<std::uint64_t>(elf, offsetof(Elf64_Ehdr, e_shoff), ~0ull - 8);
  put<std::uint16_t>(elf, offsetof(Elf64_Ehdr, e_shnum), 0xfff0);
  EXPECT_FALSE(has_section(as_bytes(elf), ".BTF"));
}

class ModuleTypes : public ImageTest {
 protected:
  void SetUp() override {
    ImageTest::SetUp();
    kernel_.arch = host_arch();
    kernel_.boot_file = path("Image");
    kernel_.build = path("headers");
    fs::create_directories(path("scratch"));
  }

  void compile(const std::string& name, const std::string& code, const std::string& debug = "-g") {
    write(path(name + ".c"), code);
    const auto done = run_ok(
        {"gcc", {debug, "-c", "-o", path(name).string(), path(name + ".c").string()}, {}, {}});
    ASSERT_TRUE(done) << done.error().message();
  }
  // A kernel whose image has the types of `code`, somewhere.
  void make_kernel(const std::string& code) {
    if (!find_program("pahole", "dwarves")) GTEST_SKIP() << "pahole is not installed";
    compile("vmlinux.o", code);
    const auto done =
        run_ok({"pahole", {"--btf_encode_detached", path("k.btf"), path("vmlinux.o")}, {}, {}});
    ASSERT_TRUE(done) << done.error().message();
    write(kernel_.boot_file, std::string(100, 'k') + read_file(path("k.btf")).value_or(""));
  }
  std::string add() {
    return add_types(kernel_, path("m.ko"), path("scratch"), {}).value_or("an error");
  }
  bool has(const std::string& file, std::string_view section) {
    const std::string elf = read_file(path(file)).value_or("");
    return has_section(as_bytes(elf), section);
  }

  Kernel kernel_;
};

TEST_F(ModuleTypes, ContinueThoseInTheKernelsImage) {
  make_kernel("struct known { int a; } one;");
  if (IsSkipped()) return;
  compile("m.ko", "struct known { int a; }; struct own { struct known k; } it;");
  EXPECT_EQ(add(), "");
  EXPECT_TRUE(has("m.ko", ".BTF"));
  EXPECT_EQ(add(), "") << "what has types already keeps them";
}

TEST_F(ModuleTypes, StayInTheModuleWhenItsDwarfGoes) {
  make_kernel("int one;");
  if (IsSkipped()) return;
  compile("m.ko", "struct own { int k; } it;");
  ASSERT_EQ(add(), "");
  const auto kept = strip_module(kernel_, path("m.ko"), path("debug/m.ko"), {});
  ASSERT_TRUE(kept && kept->empty()) << kept.value_or("an error");
  EXPECT_TRUE(has("m.ko", ".BTF"));
  EXPECT_FALSE(has("m.ko", ".debug_info"));
  EXPECT_TRUE(has("debug/m.ko", ".debug_info"));
}

TEST_F(ModuleTypes, WithoutAnyInTheKernelThereIsAReasonAndTheModuleIsAsItWas) {
  compile("m.ko", "struct own { int k; } it;");
  const std::string before = read_file(path("m.ko")).value_or("");
  if (!find_program("pahole", "dwarves")) GTEST_SKIP() << "pahole is not installed";
  EXPECT_EQ(add(), "the kernel's image has none that they could continue");
  write(kernel_.boot_file, std::string(100, 'k'));
  EXPECT_EQ(add(), "the kernel's image has none that they could continue");
  EXPECT_EQ(read_file(path("m.ko")).value_or("gone"), before);
}

TEST_F(ModuleTypes, ThatPaholeDoesNotMakeAreNoError) {
  write(kernel_.boot_file, make_btf(12));
  compile("m.ko", "struct own { int k; } it;");
  add_program("pahole", "echo trouble >&2; echo 'btf: bad base' >&2; exit 1\n");
  EXPECT_EQ(add(), "pahole: btf: bad base");
  add_program("pahole", "exit 0\n");
  EXPECT_EQ(add(), "pahole made none: the module was built without -g");
  EXPECT_FALSE(has("m.ko", ".BTF"));
}

TEST_F(ModuleTypes, AreMadeWithTheFlagsOfTheKernelsOwnBuild) {
  write(kernel_.boot_file, make_btf(12));
  write(kernel_.build / "scripts/pahole-flags.sh", "echo --lang_exclude=rust -j\n");
  compile("m.ko", "int it;");
  add_program("pahole", "echo \"$@\" > " + path("asked").string() + "; exit 1\n");
  add();
  EXPECT_TRUE(
      read_file(path("asked")).value_or("").starts_with("--lang_exclude=rust -J --btf_base "))
      << read_file(path("asked")).value_or("");
}

// Without it pahole wants LLVM's, which a machine that only has gcc does not have.
TEST_F(ModuleTypes, AreAddedWithTheObjcopyOfTheKernelsArchitecture) {
  write(kernel_.boot_file, make_btf(12));
  compile("m.ko", "int it;");
  add_program("pahole", "echo \"$LLVM_OBJCOPY\" > " + path("asked").string() + "; exit 1\n");
  kernel_.arch = host_arch();
  add();
  EXPECT_EQ(read_file(path("asked")).value_or(""), "objcopy\n");
}

}  // namespace
}  // namespace rig::image
