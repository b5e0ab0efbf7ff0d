// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/file.h"
#include "scenario/scenario.h"
#include "scenario/yaml_document.h"

namespace rig::scenario {
namespace {

const fs::path kRoot = fs::path(RIG_TEST_DATA) / "scenario-root";

// Loads `text` as a scenario of the test's own root.
Result<Scenario> load(const std::string& text, std::vector<std::string> kinds = {}) {
  RIG_ASSIGN(const TempDir folder, TempDir::create("scenario-test"));
  const fs::path file = folder.path() / "s.yaml";
  RIG_TRY(write_file_atomically(file, text));
  return load_scenario(file, {.root = kRoot, .report_kinds = std::move(kinds)});
}

const std::string kHead = "name: n\nsummary: s\narch: [x86_64]\nkernel: debian-6.1\n";
const std::string kVariants = "variants: {faulty: {module: guest/modules/late_completion}}\n";
const std::string kExpect = "expect: {none: {report: {kind: null-deref}}}\n";

TEST(ScenarioFile, EveryKeyReachesTheScenario) {
  const auto loaded = load_scenario(kRoot / "scenarios/good.yaml", {.root = kRoot});
  ASSERT_TRUE(loaded) << loaded.error().message();
  const Scenario& s = *loaded;
  EXPECT_EQ(s.name, "late-completion");
  EXPECT_EQ(s.origin, "seeds/001");
  EXPECT_EQ(s.arch, (std::vector{Arch::kX86_64, Arch::kArm64}));
  EXPECT_EQ(s.kernel, "debian-6.1");
  EXPECT_EQ(s.guest.memory_bytes, 512u << 20);
  EXPECT_EQ(s.guest.cpus, 2u);
  ASSERT_EQ(s.guest.disks.size(), 1u);
  EXPECT_EQ(s.guest.disks[0].bytes, 64u << 20);
  EXPECT_EQ(s.guest.drivers, std::vector<std::string>{"sd_mod"});
  EXPECT_EQ(s.cmdline, (std::vector<std::string>{"oops=panic", "slab_nomerge"}));
  ASSERT_EQ(s.detectors.size(), 2u);
  EXPECT_EQ(s.detectors[0].name, "none");
  EXPECT_FALSE(s.detectors[0].kernel);
  EXPECT_EQ(s.detectors[1].kernel, "debian-6.1-kasan");
  EXPECT_EQ(s.detectors[1].cmdline, std::vector<std::string>{"kasan.fault=panic"});
  ASSERT_EQ(s.variants.size(), 2u);
  EXPECT_EQ(s.variants[0].module.folder, kRoot / "guest/modules/late_completion");
  EXPECT_EQ(s.variants[0].params.at("late_write"), "1");
  EXPECT_FALSE(s.variants[0].survives);
  EXPECT_TRUE(s.variants[1].survives);
  ASSERT_TRUE(s.stress);
  EXPECT_EQ(s.stress->programs.at(Arch::kX86_64), kRoot / "guest/stress/io_and_net");
  EXPECT_EQ(s.stress->programs.at(Arch::kArm64), kRoot / "guest/stress/io_and_net");
  EXPECT_EQ(s.stress->args, std::vector<std::string>{"--fast"});
  EXPECT_EQ(s.stress->duration, std::chrono::seconds(20));
  EXPECT_EQ(s.repeat, 3u);
  EXPECT_EQ(s.timeouts.boot, std::chrono::seconds(60));
  EXPECT_EQ(s.timeouts.crash, std::chrono::seconds(40));
}

TEST(ScenarioFile, EveryKeyOfTheGuestReachesTheScenario) {
  const auto s = load(kHead + kVariants + kExpect +
                      "guest:\n"
                      "  disks: [{size: 1M, bus: nvme}, {image: images/raw.img, bus: megasas},\n"
                      "          {image: images/small.qcow2}, {image: images/small.qcow2,\n"
                      "           format: raw, bus: scsi}]\n"
                      "  network: user\n"
                      "  cpu: max\n"
                      "  machine: {hpet: off, smm: off}\n"
                      "  devices: [edu]\n"
                      "  watchdog: 10s\n"
                      "  x86_64: {cpu: \"max,+x2apic\", machine: {smm: on}, devices: "
                      "[\"intel-iommu,intremap=on\"], watchdog: 2m}\n");
  ASSERT_TRUE(s) << s.error().message();
  const Guest& guest = s->guest;
  ASSERT_EQ(guest.disks.size(), 4u);
  EXPECT_EQ(guest.disks[0].bytes, 1u << 20);
  EXPECT_EQ(guest.disks[0].bus, DiskBus::kNvme);
  EXPECT_EQ(guest.disks[1].image, kRoot / "images/raw.img");
  EXPECT_EQ(guest.disks[1].format, "raw");
  EXPECT_EQ(guest.disks[1].bus, DiskBus::kMegasas);
  EXPECT_EQ(guest.disks[2].format, "qcow2");
  EXPECT_EQ(guest.disks[2].bus, DiskBus::kVirtio);
  EXPECT_EQ(guest.disks[3].format, "raw");
  EXPECT_EQ(guest.disks[3].bus, DiskBus::kScsi);
  EXPECT_EQ(guest.network, Network::kUser);

  using Options = std::vector<std::pair<std::string, std::string>>;
  const Hardware x86 = guest.hardware_on(Arch::kX86_64);
  EXPECT_EQ(x86.cpu, "max,+x2apic");
  EXPECT_EQ(x86.machine, (Options{{"hpet", "off"}, {"smm", "on"}}));
  EXPECT_EQ(x86.devices, (std::vector<std::string>{"edu", "intel-iommu,intremap=on"}));
  EXPECT_EQ(x86.watchdog, std::chrono::minutes(2));
  const Hardware arm64 = guest.hardware_on(Arch::kArm64);
  EXPECT_EQ(arm64.cpu, "max");
  EXPECT_EQ(arm64.machine, (Options{{"hpet", "off"}, {"smm", "off"}}));
  EXPECT_EQ(arm64.devices, std::vector<std::string>{"edu"});
  EXPECT_EQ(arm64.watchdog, std::chrono::seconds(10));
}

TEST(ScenarioFile, EveryPredicateReachesTheExpectation) {
  const auto loaded = load_scenario(kRoot / "scenarios/good.yaml", {.root = kRoot});
  ASSERT_TRUE(loaded) << loaded.error().message();
  const Expectation& none = loaded->detectors[0].expect;
  ASSERT_TRUE(none.report && none.object);
  EXPECT_EQ(none.report->kind, "null-deref");
  EXPECT_EQ(none.report->address, 0x106u);
  EXPECT_EQ(none.report->function, "skb_release_data");
  EXPECT_EQ(none.object->holds, 0x106u);
  EXPECT_EQ(none.object->size, 4u);
  EXPECT_EQ(none.object->offset, 0x2c8u);
  EXPECT_EQ(none.object->cache, "kmalloc-1k");
  const Expectation& kasan = loaded->detectors[1].expect;
  ASSERT_TRUE(kasan.report);
  EXPECT_FALSE(kasan.object);
  EXPECT_EQ(kasan.report->access, "write");
  EXPECT_EQ(kasan.report->cache, "kmalloc-1024");
}

TEST(ScenarioFile, AVariantHasArgumentsAndASignatureOfItsOwn) {
  const auto loaded =
      load(kHead +
           "variants:\n"
           "  a: {args: [--write, 4], expect: {report: {kind: gpf}, on: {arm64: survive}}}\n"
           "  b: {args: [--read], expect: survive}\n"
           "stress: {program: guest/stress/io_and_net}\n");
  ASSERT_TRUE(loaded) << loaded.error().message();
  const Variant& a = loaded->variants.at(0);
  EXPECT_EQ(a.args, (std::vector<std::string>{"--write", "4"}));
  EXPECT_FALSE(a.survives);
  EXPECT_EQ(a.expect.report->kind, "gpf");
  EXPECT_TRUE(a.expect_on.at("arm64").survive);
  EXPECT_TRUE(loaded->variants.at(1).survives);
  EXPECT_TRUE(loaded->variants.at(1).expect.empty());
}

TEST(ScenarioFile, AVariantWithoutASignatureOfItsOwnNeedsTheDetectors) {
  const std::string variants =
      "variants:\n"
      "  a: {expect: {report: {kind: gpf}}}\n"
      "  b: {}\n"
      "stress: {program: guest/stress/io_and_net}\n";
  const auto without = load(kHead + variants);
  ASSERT_FALSE(without);
  EXPECT_NE(without.error().message().find("no 'expect', but a variant must crash"),
            std::string::npos);
  EXPECT_TRUE(load(kHead + variants + kExpect));
}

TEST(ScenarioFile, ADetectorHasArgumentsForTheLoad) {
  const auto loaded = load(kHead + "detectors: {a: {args: [--disk-only, 4]}, b: {}}\n" + kVariants +
                           "expect: {a: {report: {kind: gpf}}, b: {report: {kind: gpf}}}\n");
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->detectors[0].args, (std::vector<std::string>{"--disk-only", "4"}));
  EXPECT_TRUE(loaded->detectors[1].args.empty());
}

TEST(ScenarioFile, ADetectorOfOneArchitectureAndAnExpectationOnOne) {
  const auto loaded =
      load(kHead + "detectors: {a: {arch: [x86_64]}, b: {}}\n" + kVariants +
           "expect: {a: {report: {kind: gpf}}, "
           "b: {report: {kind: gpf}, on: {arm64: {report: {kind: paging-fault}}}}}\n");
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->detectors[0].arch, std::vector<Arch>{Arch::kX86_64});
  EXPECT_TRUE(loaded->detectors[1].arch.empty());
  EXPECT_EQ(loaded->detectors[1].expect_on.at("arm64").report->kind, "paging-fault");
}

TEST(ScenarioFile, StopAtIsOneNameOrAList) {
  const auto loaded =
      load(kHead + "stop_at: slab_bug\ndetectors: {a: {stop_at: [warn, 'fn:lc_x']}, b: {}}\n" +
           kVariants + "expect: {a: {report: {kind: gpf}}, b: {report: {kind: gpf}}}\n");
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->stop_at, std::vector<std::string>{"slab_bug"});
  EXPECT_EQ(loaded->detectors[0].stop_at, (std::vector<std::string>{"warn", "fn:lc_x"}));
  EXPECT_TRUE(loaded->detectors[1].stop_at.empty());
}

TEST(ScenarioFile, WithoutDetectorsThereIsOneCalledNone) {
  const auto s = load(kHead + kVariants + kExpect);
  ASSERT_TRUE(s) << s.error().message();
  ASSERT_EQ(s->detectors.size(), 1u);
  EXPECT_EQ(s->detectors[0].name, "none");
  EXPECT_EQ(s->detectors[0].expect.report->kind, "null-deref");
}

TEST(ScenarioFile, ScenarioThatOnlySurvivesNeedsNoExpect) {
  const auto s = load(kHead +
                      "variants: {fixed: {expect: survive}}\nstress: {program: "
                      "guest/stress/io_and_net}\n");
  ASSERT_TRUE(s) << s.error().message();
  EXPECT_TRUE(s->variants[0].module.empty());
}

TEST(ScenarioFile, ModuleOfTheKernelsSourceIsAFolderANameAndPatches) {
  const auto s = load(kHead + kExpect +
                      "variants:\n"
                      "  faulty:\n"
                      "    module: {in_tree: drivers/scsi/megaraid/, name: megaraid_sas,\n"
                      "             patches: [guest/modules/late_completion/late.patch]}\n"
                      "  fixed: {module: {in_tree: drivers/net/veth}, expect: survive}\n");
  ASSERT_TRUE(s) << s.error().message();
  const Module& faulty = s->variants[0].module;
  EXPECT_FALSE(faulty.empty());
  EXPECT_EQ(faulty.in_tree, "drivers/scsi/megaraid");
  EXPECT_EQ(faulty.name, "megaraid_sas");
  EXPECT_EQ(faulty.patches,
            std::vector<fs::path>{kRoot / "guest/modules/late_completion/late.patch"});
  EXPECT_EQ(s->variants[1].module.name, "veth");
  EXPECT_EQ(s->variants[1].module.text(), "drivers/net/veth of the kernel's source");
  EXPECT_EQ(faulty.text(),
            fmt::format("drivers/scsi/megaraid of the kernel's source, with {}",
                        (kRoot / "guest/modules/late_completion/late.patch").string()));
}

TEST(ScenarioFile, CrashTimeoutGrowsWithTheStress) {
  const auto s = load(kHead + kVariants + kExpect +
                      "stress: {program: guest/stress/io_and_net, seconds: 100}\n");
  ASSERT_TRUE(s) << s.error().message();
  EXPECT_GT(s->timeouts.crash, s->stress->duration);
}

TEST(ScenarioFile, KernelMayBePinned) {
  const auto s = load("name: n\nsummary: s\narch: [x86_64]\nkernel: debian-6.1@6.1.0-47\n" +
                      kVariants + kExpect);
  ASSERT_TRUE(s) << s.error().message();
  EXPECT_EQ(s->kernel, "debian-6.1@6.1.0-47");
}

TEST(ScenarioFile, PathOfAKernelStartsFromTheRootThenFromTheScenario) {
  const auto folder = TempDir::create("scenario-test");
  ASSERT_TRUE(folder);
  const fs::path file = folder->path() / "s.yaml";
  ASSERT_TRUE(write_file_atomically(folder->path() / "mine.yaml", "provider: debian\n"));
  const auto kernel_of = [&](const std::string& kernel) {
    EXPECT_TRUE(write_file_atomically(file, "name: n\nsummary: s\narch: [x86_64]\nkernel: " +
                                                kernel + "\n" + kVariants + kExpect));
    const auto s = load_scenario(file, {.root = kRoot});
    return s ? s->kernel : s.error().message();
  };
  EXPECT_EQ(kernel_of("kernels/debian-6.1.yaml"), (kRoot / "kernels/debian-6.1.yaml").string());
  EXPECT_EQ(kernel_of("./mine.yaml@6.1.0-47"),
            (folder->path() / "mine.yaml").string() + "@6.1.0-47");
}

TEST(ScenarioFile, FileIsKeptAbsoluteAndAsItWasRead) {
  const fs::path good = kRoot / "scenarios/good.yaml";
  const auto s = load_scenario(fs::relative(good), {.root = kRoot});
  ASSERT_TRUE(s) << s.error().message();
  EXPECT_EQ(s->file, good);
  EXPECT_EQ(s->text, read_file(good).value_or("?"));
}

TEST(ScenarioFile, QuotedKernelParameterKeepsItsBlanks) {
  const auto s = load(kHead + kVariants + kExpect + "cmdline: ['dyndbg=\"file a.c +p\"']\n");
  ASSERT_TRUE(s) << s.error().message();
  EXPECT_EQ(s->cmdline[0], "dyndbg=\"file a.c +p\"");
}

TEST(ScenarioFile, IgnoredOkNamesParametersOfTheScenarioAndItsDetectors) {
  const auto s = load(kHead + kVariants + kExpect +
                      "cmdline: [nox2apic]\nignored_ok: [nox2apic, no-kvmapf]\n"
                      "detectors: {none: {cmdline: [no-kvmapf], ignored_ok: [nox2apic]}}\n");
  ASSERT_TRUE(s) << s.error().message();
  EXPECT_EQ(s->ignored_ok, (std::vector<std::string>{"nox2apic", "no-kvmapf"}));
  EXPECT_EQ(s->detectors[0].ignored_ok, std::vector<std::string>{"nox2apic"});
}

TEST(ScenarioFile, WindowsLineEndsAreAccepted) {
  std::string text = kHead + kVariants + kExpect;
  for (auto at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 2)) {
    text.replace(at, 1, "\r\n");
  }
  const auto s = load(text);
  ASSERT_TRUE(s) << s.error().message();
  EXPECT_EQ(s->kernel, "debian-6.1");
}

TEST(ScenarioFile, UnknownKindIsRefusedOnlyWhenKindsAreGiven) {
  EXPECT_TRUE(load(kHead + kVariants + kExpect));
  const auto s = load(kHead + kVariants + kExpect, {"null-derefs"});
  ASSERT_FALSE(s);
  EXPECT_NE(s.error().what.find("did you mean 'null-derefs'?"), std::string::npos);
}

TEST(ScenarioFile, MissingFileIsTheUsersFault) {
  const auto s = load_scenario("/nonexistent/x.yaml", {.root = kRoot});
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().blame, Blame::kInput);
}

TEST(ScenarioFile, FolderIsTheUsersFault) {
  const auto s = load_scenario(kRoot, {.root = kRoot});
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().blame, Blame::kInput);
}

TEST(ScenarioFile, HugeFileIsRefused) {
  const auto s = load(kHead + std::string(2 << 20, '#'));
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().blame, Blame::kInput);
  EXPECT_NE(s.error().what.find("larger than"), std::string::npos);
}

// Whatever the bytes are, parsing ends soon, without a crash.
TEST(YamlDocument, HostileTextIsRefusedQuickly) {
  const std::string megabyte(kMaxYamlBytes - 16, '[');
  std::string braces, dashes, quotes;
  while (braces.size() < 200'000) braces += "{a: ";
  while (dashes.size() < 200'000) dashes += "- ";
  while (quotes.size() < 200'000) quotes += "\"";
  for (const std::string& text : {megabyte, braces, dashes, quotes, std::string("\xff\xfe[\0", 4),
                                  std::string("%YAML 9.9\n---\n"), std::string("? [a]\n: b\n"),
                                  std::string("a: \"\\x\"\n"), std::string("]")}) {
    const auto node = parse_yaml(text, "f");
    ASSERT_FALSE(node) << text.substr(0, 20);
    EXPECT_EQ(node.error().blame, Blame::kInput);
    EXPECT_TRUE(node.error().what.starts_with("f:")) << node.error().what;
  }
}

TEST(YamlDocument, EveryPrefixOfAScenarioIsParsedOrRefused) {
  const auto text = read_file(kRoot / "scenarios/good.yaml");
  ASSERT_TRUE(text);
  for (std::size_t size = 0; size < text->size(); ++size) {
    const auto node = parse_yaml(text->substr(0, size), "f");
    EXPECT_TRUE(node || node.error().blame == Blame::kInput);
  }
}

TEST(YamlDocument, PlacesCountFromOne) {
  const auto node = parse_yaml("a: 1\nbb:\n  - x\n", "f");
  ASSERT_TRUE(node);
  EXPECT_EQ(node->entries[0].mark.line, 1);
  EXPECT_EQ(node->entries[0].mark.column, 1);
  EXPECT_EQ(node->entries[0].value.mark.column, 4);
  EXPECT_EQ(node->entries[1].value.items[0].mark.line, 3);
  EXPECT_EQ(node->entries[1].value.items[0].mark.column, 5);
}

}  // namespace
}  // namespace rig::scenario
