// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "image/boot_drivers.h"
#include "image/boot_image.h"
#include "unit/image/image_fixture.h"

namespace rig::image {
namespace {

// A kernel with a few modules, indexed by the real depmod.
class Initramfs : public ImageTest {
 protected:
  void SetUp() override {
    ImageTest::SetUp();
    kernel_.release = "6.1.0-1-test";
    kernel_.package = "linux-image-6.1.0-1-test";
    kernel_.version = "6.1.1-1";
    kernel_.modules = path("lib/modules/6.1.0-1-test");
    write(path("agent"), "the agent");
  }

  void module(const std::string& name, const std::vector<std::string>& exports,
              const std::vector<std::string>& needs, const std::vector<std::string>& modinfo = {}) {
    make_module(kernel_.modules / "kernel" / (name + ".ko"), exports, needs, modinfo);
  }
  void index(const std::string& builtin = "") {
    write(kernel_.modules / "modules.order", "");
    write(kernel_.modules / "modules.builtin", builtin);
    write(kernel_.modules / "modules.builtin.modinfo", "");
    const auto done =
        run_ok({"/usr/sbin/depmod", {"-b", path("").string(), kernel_.release}, {}, {}});
    ASSERT_TRUE(done) << done.error().message();
  }
  std::vector<std::string> order(const std::vector<std::string>& names) {
    const auto files = load_order(kernel_.modules, names);
    if (!files) return {files.error().message()};
    std::vector<std::string> found;
    for (const fs::path& file : *files) found.push_back(file.filename().string());
    return found;
  }
  // The archive's files by name.
  std::map<std::string, std::string> unpack(const fs::path& cpio) {
    std::map<std::string, std::string> files;
    archive* reader = archive_read_new();
    archive_read_support_format_cpio(reader);
    EXPECT_EQ(archive_read_open_filename(reader, cpio.c_str(), 65536), ARCHIVE_OK);
    archive_entry* entry = nullptr;
    while (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
      std::string content(static_cast<std::size_t>(archive_entry_size(entry)), '\0');
      archive_read_data(reader, content.data(), content.size());
      files[archive_entry_pathname(entry)] = content;
      if (archive_entry_filetype(entry) == AE_IFREG) {
        modes_[archive_entry_pathname(entry)] = archive_entry_perm(entry);
      }
    }
    archive_read_free(reader);
    return files;
  }

  using Names = std::vector<std::string>;
  Kernel kernel_;
  std::map<std::string, unsigned> modes_;
};

TEST_F(Initramfs, CacheHasItsModesWhateverTheUmaskIs) {
  index();
  const WithUmask umask(0);
  const auto file = build_initramfs(kernel_, {path("agent"), {}});
  ASSERT_TRUE(file) << file.error().message();
  for (const fs::path& wrong : wrong_modes(path("cache/crashrig"))) ADD_FAILURE() << wrong;
}

TEST_F(Initramfs, HashOfAFileIsWhatSha256sumPrints) {
  write(path("abc"), "abc");
  write(path("empty"), "");
  EXPECT_EQ(file_sha256(path("abc")).value_or("?"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(file_sha256(path("empty")).value_or("?"),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_F(Initramfs, ModulesComeAfterWhatTheyNeed) {
  module("ring", {"ring_add"}, {});
  module("bus", {"bus_find"}, {"ring_add"});
  module("disk", {}, {"bus_find", "ring_add"});
  index();
  EXPECT_EQ(order({"disk"}), (Names{"ring.ko", "bus.ko", "disk.ko"}));
  EXPECT_EQ(order({"bus", "disk", "disk"}), (Names{"ring.ko", "bus.ko", "disk.ko"}));
}

TEST_F(Initramfs, DashesAndUnderscoresAreTheSame) {
  module("pvpanic-pci", {}, {});
  index();
  EXPECT_EQ(order({"pvpanic_pci"}), (Names{"pvpanic-pci.ko"}));
  EXPECT_EQ(order({"pvpanic-pci"}), (Names{"pvpanic-pci.ko"}));
}

TEST_F(Initramfs, SoftDependenciesComeAlongInTheirPlace) {
  module("crc", {}, {}, {"alias=crypto-crc"});
  module("late", {}, {});
  module("fs", {}, {}, {"softdep=pre: crypto-crc post: late missing_one"});
  index();
  EXPECT_EQ(order({"fs"}), (Names{"crc.ko", "fs.ko", "late.ko"}));
}

TEST_F(Initramfs, OfSeveralImplementationsTheGenericOneIsTaken) {
  module("crc10_generic", {}, {}, {"alias=crc10"});
  module("crc10-pclmul", {}, {}, {"alias=crc10"});
  module("fs", {}, {}, {"softdep=pre: crc10"});
  index();
  EXPECT_EQ(order({"fs"}), (Names{"crc10_generic.ko", "fs.ko"}));
}

TEST_F(Initramfs, WatchdogBringsItsDriverOnTheArchitecturesThatHaveOne) {
  scenario::Guest guest;
  EXPECT_EQ(device_drivers(guest, Arch::kX86_64), Names());
  guest.hardware_of[Arch::kX86_64].watchdog = std::chrono::seconds(10);
  EXPECT_EQ(device_drivers(guest, Arch::kX86_64), Names{"i6300esb"});
  EXPECT_EQ(device_drivers(guest, Arch::kArm64), Names());
  guest.hardware.watchdog = std::chrono::seconds(10);
  EXPECT_EQ(device_drivers(guest, Arch::kArm64), Names{"i6300esb"});
}

TEST_F(Initramfs, ScsiHostsBringTheDiskDriver) {
  module("scsi_mod", {"scsi_host_alloc"}, {});
  module("sd_mod", {}, {"scsi_host_alloc"});
  index();
  EXPECT_EQ(order({"scsi_mod"}), (Names{"scsi_mod.ko", "sd_mod.ko"}));
}

TEST_F(Initramfs, BuiltInDriversAreLeftOut) {
  module("disk", {}, {});
  index("kernel/drivers/serial.ko\n");
  EXPECT_EQ(order({"serial", "disk"}), (Names{"disk.ko"}));
}

TEST_F(Initramfs, UnknownDriverNamesTheNearestValidOne) {
  module("virtio_console", {}, {});
  index();
  const auto files = load_order(kernel_.modules, {"virtio-consol"});
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().blame, Blame::kInput);
  EXPECT_NE(files.error().what.find("did you mean 'virtio_console'?"), std::string::npos)
      << files.error().what;
}

TEST_F(Initramfs, HoldsAgentModulesAndTheirList) {
  module("ring", {"ring_add"}, {});
  module("disk", {}, {"ring_add"});
  index();
  const auto cpio = build_initramfs(kernel_, {path("agent"), {"disk"}});
  ASSERT_TRUE(cpio) << cpio.error().message();
  const auto files = unpack(*cpio);
  EXPECT_EQ(files.at("init"), "the agent");
  EXPECT_EQ(modes_["init"], 0755U);
  EXPECT_TRUE(files.contains("dev/console"));
  EXPECT_TRUE(files.contains("proc"));
  EXPECT_EQ(files.at("lib/crashrig/modules.load"),
            "/lib/modules/6.1.0-1-test/ring.ko\n/lib/modules/6.1.0-1-test/disk.ko\n");
  EXPECT_EQ(files.at("lib/modules/6.1.0-1-test/ring.ko"),
            read_file(kernel_.modules / "kernel/ring.ko").value_or(""));
}

TEST_F(Initramfs, ModuleOfTheScenarioIsLoadedLastWithItsParameters) {
  module("disk", {}, {});
  index();
  write(path("hang.ko"), "a module");
  const auto file =
      build_initramfs(kernel_, {path("agent"), {"disk"}, path("hang.ko"), "how=irqs"});
  ASSERT_TRUE(file) << file.error().message();
  auto files = unpack(*file);
  const std::string list = files["lib/crashrig/modules.load"];
  EXPECT_TRUE(list.ends_with("/hang.ko how=irqs\n")) << list;
  const auto other = build_initramfs(kernel_, {path("agent"), {"disk"}, path("hang.ko"), "how=x"});
  ASSERT_TRUE(other) << other.error().message();
  EXPECT_NE(*file, *other);
}

TEST_F(Initramfs, CompressedModulesArriveDecompressed) {
  module("disk", {}, {});
  const fs::path plain = kernel_.modules / "kernel/disk.ko";
  const std::string content = read_file(plain).value_or("");
  write(plain.string() + ".xz", compress_with(content, archive_write_add_filter_xz));
  fs::remove(plain);
  index();
  const auto cpio = build_initramfs(kernel_, {path("agent"), {"disk"}});
  ASSERT_TRUE(cpio) << cpio.error().message();
  EXPECT_EQ(unpack(*cpio).at("lib/modules/6.1.0-1-test/disk.ko"), content);
}

TEST_F(Initramfs, IsMadeAnewOnlyForOtherContent) {
  module("disk", {}, {});
  index();
  const auto first = build_initramfs(kernel_, {path("agent"), {"disk"}});
  ASSERT_TRUE(first);
  fs::create_hard_link(*first, path("same"));  // one that is written anew is another file
  const auto second = build_initramfs(kernel_, {path("agent"), {"disk"}});
  ASSERT_TRUE(second);
  EXPECT_EQ(*first, *second);
  EXPECT_TRUE(fs::equivalent(*second, path("same")));
  write(path("agent"), "another agent");
  const auto third = build_initramfs(kernel_, {path("agent"), {"disk"}});
  ASSERT_TRUE(third);
  EXPECT_NE(*first, *third);
}

TEST_F(Initramfs, MissingAgentIsAnErrorThatSaysSo) {
  index();
  const auto cpio = build_initramfs(kernel_, {path("no-agent"), {}});
  ASSERT_FALSE(cpio);
  EXPECT_NE(cpio.error().what.find("the guest's agent"), std::string::npos) << cpio.error().what;
}

TEST_F(Initramfs, ModuleSaysWhatItDependsOn) {
  make_module(path("x.ko"), {}, {}, {"depends=scsi_mod,virtio"});
  EXPECT_EQ(module_depends(path("x.ko")).value_or(Names{}), (Names{"scsi_mod", "virtio"}));
  write(path("y.ko"), "no ELF");
  EXPECT_FALSE(module_depends(path("y.ko")));
}

TEST(BaseDrivers, EveryArchHasTheAgentsPort) {
  for (const Arch arch : {Arch::kX86_64, Arch::kArm64}) {
    const auto names = base_drivers(arch);
    EXPECT_EQ(std::count(names.begin(), names.end(), "virtio_console"), 1) << to_string(arch);
  }
}

}  // namespace
}  // namespace rig::image
