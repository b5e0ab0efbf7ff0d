// SPDX-License-Identifier: Apache-2.0
#include "image/fetch_kernel.h"

#include <algorithm>
#include <optional>
#include <thread>

#include "base/text.h"
#include "image/toolchain.h"
#include "unit/image/image_fixture.h"

namespace rig::image {
namespace {

constexpr std::uint32_t kPvh = 18;

// A Debian archive in a folder, and apt's programs as scripts that serve it and log their calls:
//   lists/NAME  what apt-cache shows     pool/NAME.deb  what apt-get downloads
//   fresh/      moved over lists/ by apt-get update; without it, update fails
class FetchKernel : public ImageTest {
 protected:
  void SetUp() override {
    ImageTest::SetUp();
    fs::create_directories(path("lists"));
    const std::string head = fmt::format(
        "cd '{0}' && echo \"$(basename $0) $*\" >> calls\nverb=$1\nhere=$OLDPWD\n"
        "while [ \"$1\" != -- ] && [ $# -gt 0 ]; do shift; done; [ $# -eq 0 ] || shift\n",
        path("").string());
    add_program("apt-cache",
                head +
                    "case $verb in\n"
                    "show) for p; do cat lists/${p%%:*} 2>/dev/null || fail=1; done;;\n"
                    "pkgnames) ls lists;;\nesac\nexit ${fail:+100}");
    add_program("apt-get",
                head +
                    "case $verb in\n"
                    "update) mv fresh/* lists/ || exit 100;;\n"
                    "download) for p; do cp pool/${p%%[:=]*}.deb $here/ 2>/dev/null || {\n"
                    "  [ -e offline ] && echo 'E: Temporary failure resolving' >&2 ||\n"
                    "  echo 'E: Failed to fetch x  404  Not Found' >&2; exit 100; }; done\n"
                    "esac");
  }

  void list(const std::string& package, const std::string& version, const std::string& depends,
            const std::string& folder = "lists") {
    std::string content = read_file(path(folder) / package).value_or("");
    content = fmt::format("Package: {}\nVersion: {}\nDepends: {}\nSize: 1000\n\n", package, version,
                          depends) +
              content;
    write(path(folder) / package, content);
  }

  // The packages of one ABI, listed and in the pool, with the meta package that points to it.
  void publish(int abi, const std::string& version, const std::string& folder = "lists",
               std::uint32_t note = kPvh) {
    const std::string base = fmt::format("6.1.0-{}", abi);
    const std::string release = base + "-amd64";
    list("linux-image-amd64", version, fmt::format("linux-image-{} (= {})", release, version),
         folder);
    list("linux-image-" + release, version, "kmod", folder);
    list("linux-headers-" + release, version,
         fmt::format("linux-headers-{}-common (= {}), linux-kbuild-6.1 (>= {}), "
                     "linux-compiler-gcc-12-x86",
                     base, version, version),
         folder);
    const std::string build = "./usr/src/linux-headers-" + release;
    const std::string common = fmt::format("./usr/src/linux-headers-{}-common", base);
    pool("linux-image-" + release,
         {{"./boot/vmlinuz-" + release, make_bzimage(xz_with_size(make_vmlinux(note)))},
          {"./lib/modules/" + release + "/modules.order", ""},
          {"./lib/modules/" + release + "/modules.builtin", ""},
          {"./usr/share/doc/linux/changelog", "long"}});
    pool("linux-headers-" + release,
         {{build + "/Makefile",
           fmt::format("include /usr/src/linux-headers-{}-common/Makefile\n", base)},
          {build + "/scripts", "../../lib/linux-kbuild-6.1/scripts", true}});
    pool(fmt::format("linux-headers-{}-common", base),
         {{common + "/Makefile", "all:; @echo built\n"}});
    pool("linux-kbuild-6.1", {{"./usr/lib/linux-kbuild-6.1/scripts/tool", "x"}});
  }

  void pool(const std::string& package, const std::vector<DebEntry>& entries) {
    write(path("pool") / (package + ".deb"), make_deb(entries));
  }

  Result<Kernel> fetch(std::optional<std::string> abi = {}, bool may_update = true,
                       FetchOptions options = {}) {
    spec_.abi = std::move(abi);
    return fetch_kernel_from(AptArchive({path("lists"), may_update, {}}), spec_, Arch::kX86_64,
                             options);
  }

  // The same of an arm64 kernel: its image is what QEMU boots.
  void publish_arm64() {
    const std::string version = "6.1.192-2";
    const std::string release = "6.1.0-56-arm64";
    list("linux-image-arm64", version, fmt::format("linux-image-{} (= {})", release, version));
    list("linux-image-" + release, version, "kmod");
    list("linux-headers-" + release, version,
         fmt::format("linux-headers-6.1.0-56-common (= {}), linux-kbuild-6.1, "
                     "linux-compiler-gcc-12-arm",
                     version));
    pool("linux-image-" + release, {{"./boot/vmlinuz-" + release, "an Image"},
                                    {"./lib/modules/" + release + "/modules.order", ""},
                                    {"./lib/modules/" + release + "/modules.builtin", ""}});
    pool("linux-headers-" + release,
         {{"./usr/src/linux-headers-" + release + "/Makefile", "all:\n"}});
    pool("linux-headers-6.1.0-56-common", {{"./usr/src/linux-headers-6.1.0-56-common/x", "x"}});
    pool("linux-kbuild-6.1", {{"./usr/lib/linux-kbuild-6.1/scripts/tool", "x"}});
  }
  // Our lists where the machine's are for another architecture.
  Result<Kernel> fetch_arm64() {
    const auto setup = AptArchive::setup_for(Arch::kArm64);
    if (!setup) return tl::unexpected(setup.error());
    return fetch_kernel_from(AptArchive(*setup), spec_, Arch::kArm64, {});
  }

  // How often apt was called with this in the command line, since the last forget_calls().
  std::size_t calls(std::string_view what) {
    const std::string log = read_file(path("calls")).value_or("");
    const auto lines = split(log, '\n');
    return static_cast<std::size_t>(
        std::count_if(lines.begin(), lines.end(),
                      [&](const auto& line) { return line.find(what) != std::string::npos; }));
  }
  void forget_calls() { fs::remove(path("calls")); }

  std::vector<std::string> warnings_;
  scenario::KernelSpec spec_{"kernels/debian-6.1.yaml", "debian-6.1", "debian", "6.1", {}, {}};
};

TEST_F(FetchKernel, NewestComesFromTheMetaPackageWithItsHeaders) {
  publish(9, "6.1.80-1");
  publish(56, "6.1.192-2");
  const auto kernel = fetch();
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->release, "6.1.0-56-amd64");
  EXPECT_EQ(kernel->package, "linux-image-6.1.0-56-amd64");
  EXPECT_EQ(kernel->version, "6.1.192-2");
  EXPECT_EQ(kernel->compiler, "gcc-12");
  EXPECT_EQ(read_file(kernel->boot_file).value_or(""), make_vmlinux(kPvh));
  EXPECT_EQ(kernel->modules.filename(), kernel->release);
  EXPECT_TRUE(fs::exists(kernel->modules / "modules.dep"));
  EXPECT_TRUE(fs::exists(kernel->build / "scripts/tool"));
  EXPECT_EQ(calls("compiler"), 0U) << "the compiler's package is empty";
}

TEST_F(FetchKernel, OldestIsTheFirstThatTheArchiveHasWithItsHeaders) {
  publish(56, "6.1.192-2");
  publish(47, "6.1.170-3");
  list("linux-image-6.1.0-44-amd64", "6.1.160-1", "kmod");  // its headers have been dropped
  publish(9, "6.1.80-1");
  fs::remove(path("lists/linux-image-6.1.0-9-amd64"));
  spec_.oldest = true;
  const auto kernel = fetch();
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->release, "6.1.0-47-amd64");
  EXPECT_EQ(kernel->version, "6.1.170-3");
  spec_.oldest = false;
  publish(56, "6.1.192-2");
  EXPECT_EQ(fetch()->release, "6.1.0-56-amd64") << "one is not taken for the other";
}

TEST_F(FetchKernel, HeadersBuildWhereTheyWereUnpacked) {
  publish(56, "6.1.192-2");
  const auto kernel = fetch();
  ASSERT_TRUE(kernel) << kernel.error().message();
  const auto made = run_ok({"make", {"-s", "-C", kernel->build.string()}, {}, {}});
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->out, "built\n");
}

TEST_F(FetchKernel, WarmRunAsksAptNothing) {
  publish(56, "6.1.192-2");
  ASSERT_TRUE(fetch());
  forget_calls();
  ASSERT_TRUE(fetch());
  EXPECT_EQ(calls("apt"), 0U);
}

TEST_F(FetchKernel, ChangedListsAreAskedButTheSameKernelIsNotFetchedAgain) {
  publish(56, "6.1.192-2");
  ASSERT_TRUE(fetch());
  list("another", "1", "");
  forget_calls();
  ASSERT_TRUE(fetch());
  EXPECT_GT(calls("apt-cache"), 0U);
  EXPECT_EQ(calls("download"), 0U);
}

TEST_F(FetchKernel, NewerAbiInChangedListsIsFetched) {
  publish(9, "6.1.80-1");
  ASSERT_TRUE(fetch());
  publish(10, "6.1.90-1");
  const auto kernel = fetch();
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->release, "6.1.0-10-amd64");
}

TEST_F(FetchKernel, PinnedAbiNeedsNoMetaPackageAndStays) {
  publish(47, "6.1.170-3");
  publish(56, "6.1.192-2");
  const auto kernel = fetch("6.1.0-47");
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->version, "6.1.170-3");
  list("another", "1", "");
  forget_calls();
  ASSERT_TRUE(fetch("6.1.0-47"));
  EXPECT_EQ(calls("apt"), 0U);
}

TEST_F(FetchKernel, UnknownAbiIsTheUsersErrorAndNamesTheAbisThereAre) {
  publish(47, "6.1.170-3");
  publish(56, "6.1.192-2");
  const auto kernel = fetch("6.1.0-12", false);
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().blame, Blame::kInput);
  EXPECT_NE(kernel.error().what.find("6.1.0-47, 6.1.0-56"), std::string::npos)
      << kernel.error().what;
}

TEST_F(FetchKernel, AbiOfAnotherSeriesNeverReachesApt) {
  for (const char* abi : {"6.2.0-1", "--option", "6.1.0-1/../x", "6.1.0-1 x"}) {
    const auto kernel = fetch(abi);
    ASSERT_FALSE(kernel) << abi;
    EXPECT_EQ(kernel.error().blame, Blame::kInput) << abi;
  }
  EXPECT_EQ(calls("apt"), 0U);
}

TEST_F(FetchKernel, EmptyListsAreUpdatedOnce) {
  publish(56, "6.1.192-2", "fresh");
  const auto kernel = fetch();
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(calls("update"), 1U);
}

TEST_F(FetchKernel, EmptyListsWithoutRootAreAHint) {
  publish(56, "6.1.192-2", "fresh");
  const auto kernel = fetch({}, false);
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().hint, "sudo apt-get update");
  EXPECT_EQ(calls("update"), 0U);
}

TEST_F(FetchKernel, PackageGoneFromTheArchiveMakesTheListsFreshAndTakesTheNext) {
  publish(55, "6.1.190-1");
  publish(56, "6.1.192-2", "fresh");
  fs::remove(path("pool/linux-image-6.1.0-55-amd64.deb"));
  const auto kernel = fetch();
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->release, "6.1.0-56-amd64");
}

TEST_F(FetchKernel, PackageGoneWithoutRootIsAHint) {
  publish(55, "6.1.190-1");
  fs::remove(path("pool/linux-headers-6.1.0-55-amd64.deb"));
  const auto kernel = fetch({}, false);
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().blame, Blame::kRig);
  EXPECT_EQ(kernel.error().hint, "sudo apt-get update");
}

TEST_F(FetchKernel, OfflineGoesOnWithTheCachedKernel) {
  publish(55, "6.1.190-1");
  ASSERT_TRUE(fetch());
  publish(56, "6.1.192-2");
  fs::remove_all(path("pool"));
  write(path("offline"), "");
  const auto kernel = fetch();
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->release, "6.1.0-55-amd64");
}

TEST_F(FetchKernel, EmptiedListsGoOnWithTheCachedKernelWithoutAnUpdate) {
  publish(55, "6.1.190-1");
  ASSERT_TRUE(fetch());
  fs::remove_all(path("lists"));
  fs::create_directories(path("lists"));
  forget_calls();
  const auto kernel = fetch();
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(calls("update"), 0U);
}

TEST_F(FetchKernel, RefreshUpdatesTheLists) {
  publish(55, "6.1.190-1");
  ASSERT_TRUE(fetch());
  publish(56, "6.1.192-2", "fresh");
  const auto kernel = fetch({}, true, {{}, {}, true});
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->release, "6.1.0-56-amd64");
}

TEST_F(FetchKernel, RefreshWithoutRootWarnsAndGoesByTheListsThereAre) {
  publish(55, "6.1.190-1");
  ASSERT_TRUE(fetch());
  publish(56, "6.1.192-2");
  FetchOptions options{{}, {}, true, [&](std::string_view text) { warnings_.emplace_back(text); }};
  const auto kernel = fetch({}, false, options);
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->release, "6.1.0-56-amd64");
  EXPECT_EQ(calls("update"), 0U);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("sudo apt-get update"), std::string::npos) << warnings_[0];
}

TEST_F(FetchKernel, RefreshThatFailsWarnsAndGoesOnWithTheCachedKernel) {
  publish(55, "6.1.190-1");
  ASSERT_TRUE(fetch());
  fs::remove_all(path("fresh"));
  FetchOptions options{{}, {}, true, [&](std::string_view text) { warnings_.emplace_back(text); }};
  const auto kernel = fetch({}, true, options);
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->release, "6.1.0-55-amd64");
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("going on with linux-image-6.1.0-55-amd64"), std::string::npos)
      << warnings_[0];
}

TEST_F(FetchKernel, RefreshWithoutNewsFetchesNothingAnew) {
  publish(55, "6.1.190-1");
  ASSERT_TRUE(fetch());
  publish(55, "6.1.190-1", "fresh");
  forget_calls();
  ASSERT_TRUE(fetch({}, true, {{}, {}, true, {}}));
  EXPECT_EQ(calls("update"), 1U);
  EXPECT_EQ(calls("download"), 0U);
}

TEST_F(FetchKernel, CacheHasItsModesWhateverTheUmaskIs) {
  publish(55, "6.1.190-1");
  publish(56, "6.1.192-2");
  for (const auto& [abi, mask] : {std::pair("6.1.0-55", 0), {"6.1.0-56", 077}}) {
    const WithUmask umask(static_cast<mode_t>(mask));
    const auto kernel = fetch(abi);
    ASSERT_TRUE(kernel) << kernel.error().message();
  }
  for (const fs::path& wrong : wrong_modes(path("cache/crashrig"))) ADD_FAILURE() << wrong;
}

// It would inherit the umask that libarchive sets for moments.
TEST_F(FetchKernel, ModulesAreIndexedAfterBothPackagesAreUnpacked) {
  publish(55, "6.1.190-1");
  add_program("depmod",
              "[ -e \"$2/../headers/usr/lib/linux-kbuild-6.1/scripts/tool\" ] || exit 7\n"
              "exec /usr/sbin/depmod \"$@\"");
  const auto kernel = fetch();
  ASSERT_TRUE(kernel) << kernel.error().message();
}

TEST_F(FetchKernel, DamagedCacheIsMadeAnew) {
  publish(55, "6.1.190-1");
  const auto kernel = fetch();
  ASSERT_TRUE(kernel);
  fs::remove(kernel->boot_file);
  const auto again = fetch();
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_TRUE(fs::exists(again->boot_file));
}

TEST_F(FetchKernel, KernelWithoutPvhBootsAsVmlinuz) {
  publish(55, "6.1.190-1", "lists", 6);
  FetchOptions options;
  options.warn = [&](std::string_view text) { warnings_.emplace_back(text); };
  const auto kernel = fetch({}, true, options);
  ASSERT_TRUE(kernel) << kernel.error().message();
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("CONFIG_PVH"), std::string::npos) << warnings_[0];
  EXPECT_EQ(kernel->boot_file, kernel->vmlinuz);
}

TEST_F(FetchKernel, BzImageEntryIsTheDistributionsOwnFile) {
  publish(55, "6.1.190-1");
  spec_.entry = scenario::Entry::kBzImage;
  const auto kernel = fetch();
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->boot_file, kernel->vmlinuz);
}

TEST_F(FetchKernel, OtherArchitectureComesFromListsOfItsOwnWithToolsThatRunHere) {
  if (host_arch() == Arch::kArm64) return;  // there it is the machine's
  publish_arm64();
  const auto kernel = fetch_arm64();
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->arch, Arch::kArm64);
  EXPECT_EQ(kernel->release, "6.1.0-56-arm64");
  EXPECT_EQ(kernel->compiler, "gcc-12");
  EXPECT_EQ(read_file(kernel->boot_file).value_or(""), "an Image");
  EXPECT_EQ(calls("APT::Architectures::=arm64"), calls("apt-"));
  EXPECT_EQ(calls("Dir::State::Lists=" + path("cache/crashrig/apt-arm64/lists").string()),
            calls("apt-"));
  EXPECT_EQ(calls("linux-image-6.1.0-56-arm64:arm64="), 1U);
  EXPECT_EQ(calls("linux-kbuild-6.1"), 1U);
  EXPECT_EQ(calls("linux-kbuild-6.1:"), 0U);
  forget_calls();
  ASSERT_TRUE(fetch_arm64());
  EXPECT_EQ(calls("apt"), 0U);
}

TEST_F(FetchKernel, ListsOfAnotherArchitectureNeedNoRootToBeUpdated) {
  if (host_arch() == Arch::kArm64) return;
  publish_arm64();
  fs::rename(path("lists"), path("fresh"));
  fs::create_directories(path("lists"));
  const auto kernel = fetch_arm64();
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(calls("apt-get update"), 1U);
  EXPECT_TRUE(fs::is_directory(path("cache/crashrig/apt-arm64/lists/partial")));
}

TEST_F(FetchKernel, FailureLeavesNothingUnfinished) {
  publish(55, "6.1.190-1");
  write(path("pool/linux-image-6.1.0-55-amd64.deb"), "not a package");
  const auto kernel = fetch();
  ASSERT_FALSE(kernel);
  EXPECT_NE(kernel.error().what.find("damaged package"), std::string::npos) << kernel.error().what;
  for (const auto& entry : fs::directory_iterator(path("cache/crashrig/kernels"))) {
    EXPECT_FALSE(entry.is_directory()) << entry.path();
  }
}

TEST_F(FetchKernel, TwoRunsAtOnceFetchOnce) {
  publish(55, "6.1.190-1");
  Result<Kernel> other = fail(Blame::kRig, "not run");
  std::thread thread([&] {
    const scenario::KernelSpec spec{"k.yaml", "debian-6.1", "debian", "6.1", {}, {}};
    other = fetch_kernel_from(AptArchive({path("lists"), false, {}}), spec, Arch::kX86_64, {});
  });
  const auto kernel = fetch({}, false);
  thread.join();
  ASSERT_TRUE(kernel) << kernel.error().message();
  ASSERT_TRUE(other) << other.error().message();
  EXPECT_EQ(kernel->boot_file, other->boot_file);
  EXPECT_EQ(calls("download"), 2U) << "image and headers, once each";
}

TEST_F(FetchKernel, WaitForAnotherRunIsAnnounced) {
  publish(55, "6.1.190-1");
  const fs::path file = path("cache/crashrig/kernels/linux-image-6.1.0-55-amd64_6.1.190-1.lock");
  auto lock = FileLock::acquire(file, Deadline::after(std::chrono::seconds(5)));
  ASSERT_TRUE(lock);
  std::optional<FileLock> held(std::move(*lock));
  FetchOptions options;
  options.progress = [&](const Progress& progress) {
    if (progress.step.starts_with("wait for another run")) held.reset();
  };
  const auto kernel = fetch({}, true, options);
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_FALSE(held.has_value());
}

TEST_F(FetchKernel, LeftoversOfAKilledRunAreRemoved) {
  publish(55, "6.1.190-1");
  const fs::path left =
      path("cache/crashrig/kernels/linux-image-6.1.0-55-amd64_6.1.190-1.unfinished.abc");
  write(left / "image/boot/x", "half");
  ASSERT_TRUE(fetch());
  EXPECT_FALSE(fs::exists(left));
}

TEST_F(FetchKernel, StopRequestIsCancellation) {
  publish(55, "6.1.190-1");
  std::stop_source stop;
  FetchOptions options;
  options.stop = stop.get_token();
  options.progress = [&](const Progress& progress) {
    if (progress.step.starts_with("unpack")) stop.request_stop();
  };
  const auto kernel = fetch({}, true, options);
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().blame, Blame::kCancelled);
}

TEST_F(FetchKernel, UnknownProviderIsTheUsersError) {
  spec_.provider = "fedora";
  const auto kernel = fetch();
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().blame, Blame::kInput);
}

}  // namespace
}  // namespace rig::image
