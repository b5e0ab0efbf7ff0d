// SPDX-License-Identifier: Apache-2.0
// A linux-source package in small: a Makefile that configures, compiles and installs as the
// kernel's does, and apt and the build's other tools as scripts.
#pragma once

#include "image/boot_image.h"
#include "image/toolchain.h"
#include "unit/image/image_fixture.h"

namespace rig::image {

class SourceTest : public ImageTest {
 protected:
  void SetUp() override {
    ImageTest::SetUp();
    for (const char* tool : {"flex", "bison", "bc", "pahole", "perl", "cpio"}) {
      add_program(tool, "exit 0");
    }
    add_program("apt-cache", "echo 'Package: linux-source-6.1'; echo 'Version: 6.1.192-2'; echo");
    add_program("apt-get", fmt::format("echo x >> '{0}'\ncp '{1}' .\n", path("downloads").string(),
                                       path("linux-source-6.1_all.deb").string()));
    write(path("fragments/guest.config"), "CONFIG_A=y\n");
    spec_.name = "own";
    spec_.file = path("own.yaml");
    spec_.provider = "source";
    spec_.series = "6.1";
    spec_.entry = scenario::Entry::kBzImage;
    spec_.config.fragments = {"guest"};
    spec_.config.folders = {path("fragments")};
    publish();
  }

  // The package with the tree below linux-source-6.1/.
  void publish() {
    std::vector<DebEntry> tree;
    for (const auto& [name, content] : files())
      tree.push_back({"./linux-source-6.1/" + name, content});
    write(path("linux-source-6.1_all.deb"),
          make_deb({{"./usr/src/linux-source-6.1.tar.xz", tar_xz(tree)}}));
  }

  std::vector<std::pair<std::string, std::string>> files() const {
    const std::string arch(toolchain(host_arch()).kbuild);
    const std::string image = host_arch() == Arch::kX86_64 ? "bzImage" : "Image";
    const std::string boot = fmt::format("$(O)/arch/{}/boot", arch);
    return {{"Makefile", makefile(image, boot)},
            {"main.c", "int start(void) { return 0; }\n"},
            {"Kconfig",
             "config A\n\tbool \"a\"\nconfig STUBBORN\n\tbool \"s\"\n\tdepends on MISSING\n"},
            {"include/linux/module.h", "#define MODULE 1\n"},
            {"scripts/Makefile.build", "# rules\n"},
            {fmt::format("arch/{}/Makefile", arch), "# flags\n"},
            {fmt::format("arch/{}/include/asm/page.h", arch), "#define PAGE 1\n"},
            {"drivers/huge.c", "int huge;\n"}};
  }

  // `make` of it counts its runs in "runs"; a file "fail" makes it fail after the first object, and
  // one called "wait" makes it wait.
  std::string makefile(const std::string& image, const std::string& boot) const {
    return fmt::format(
        "allnoconfig:\n"
        "\tmkdir -p $(O)/include/config $(O)/scripts/mod\n"
        "\tgrep -v STUBBORN $(KCONFIG_ALLCONFIG) > $(O)/.config\n"
        "\techo 'CONFIG_CC_VERSION_TEXT=\"gcc-12 (Debian) 12\"' >> $(O)/.config\n"
        "\techo 6.1.192$$(sed -n 's/CONFIG_LOCALVERSION=\"\\(.*\\)\"/\\1/p' $(O)/.config) "
        "> $(O)/include/config/kernel.release\n"
        "$(O)/main.o: main.c\n"
        "\t@echo '  CC      main.o'; echo x >> {0}\n"
        "\t@gcc-12 -g -c -o $@ main.c\n"
        "{1}: $(O)/main.o\n"
        "\t@test ! -e {2} || {{ echo 'main.c:1:2: error: no luck' >&2; exit 1; }}\n"
        "\t@while test -e {3}; do sleep 0.02; done\n"
        "\tgcc-12 -nostdlib -static -Wl,-e,start -o $(O)/vmlinux $(O)/main.o\n"
        "\tmkdir -p {4} && echo image > {4}/{1}\n"
        "\techo modpost > $(O)/scripts/mod/modpost; touch $(O)/Module.symvers\n"
        "\techo kernel/drivers/virtio/virtio_pci.ko > $(O)/modules.builtin\n"
        "modules:\n"
        "modules_install:\n"
        "\tmkdir -p $(INSTALL_MOD_PATH)/lib/modules/$$(cat $(O)/include/config/kernel.release)\n"
        "\tcd $(INSTALL_MOD_PATH)/lib/modules/* && touch modules.order && cp $(O)/modules.builtin "
        ".\n",
        path("runs").string(), image, path("fail").string(), path("wait").string(), boot);
  }

  Result<Kernel> get(const FetchOptions& options = {}) {
    return fetch_kernel(spec_, host_arch(), options);
  }
  std::size_t count(const char* what) { return read_file(path(what)).value_or("").size() / 2; }
  std::size_t entries(const char* folder) {
    std::size_t found = 0;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(path("cache/crashrig") / folder, ignored)) {
      if (entry.is_directory()) ++found;
    }
    return found;
  }

  scenario::KernelSpec spec_;
};

}  // namespace rig::image
