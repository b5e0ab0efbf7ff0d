// SPDX-License-Identifier: Apache-2.0
// The format's table, the reader and the manual say the same.
#include "scenario/format_text.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "scenario/scenario.h"
#include "scenario/section_reader.h"

namespace rig::scenario {
namespace {

const fs::path kManual = fs::path(RIG_TEST_DATA).parent_path().parent_path() / "docs/SCENARIOS.md";
const fs::path kFormatRoot = fs::path(RIG_TEST_DATA) / "scenario-root";

// RIG_UPDATE=1 writes the manual's tables anew.
TEST(Format, TheManualHasTheTables) {
  const auto manual = read_file(kManual);
  ASSERT_TRUE(manual) << manual.error().message();
  const auto wanted = format::with_tables(*manual);
  ASSERT_TRUE(wanted) << wanted.error().message();
  if (std::getenv("RIG_UPDATE") != nullptr) {
    ASSERT_TRUE(write_file_atomically(kManual, *wanted));
    return;
  }
  EXPECT_EQ(*manual, *wanted) << "run test_scenario with RIG_UPDATE=1, then read the difference";
}

TEST(Format, AManualWithoutATableOrWithTwoIsRefused) {
  const auto manual = read_file(kManual);
  ASSERT_TRUE(manual) << manual.error().message();
  const std::string begin = "<!-- format: stress -->\n", end = "<!-- end of format -->\n";
  const auto at = manual->find(begin);
  ASSERT_NE(at, std::string::npos);
  const auto length = manual->find(end, at) + end.size() - at;

  std::string without = *manual;
  without.erase(at, length);
  EXPECT_EQ(format::with_tables(without).error().what, "the manual has no table of 'stress'");
  EXPECT_EQ(format::with_tables(*manual + begin + end).error().what,
            "the manual has two tables of 'stress'");
  EXPECT_EQ(format::with_tables(*manual + "<!-- format: stres -->\n" + end).error().what,
            "the scenario format has no 'stres', did you mean 'stress'?");
  EXPECT_FALSE(format::with_tables(*manual + begin));
}

TEST(Format, KeysAreNamedOnceAndExplained) {
  for (const format::Section* section : format::kSections) {
    for (const format::Key& key : section->keys) {
      SCOPED_TRACE(fmt::format("{}.{}", section->name, key.name));
      EXPECT_EQ(section->find(key.name), &key) << "there is another one of this name";
      for (const std::string_view text : {key.type, key.fallback, key.meaning}) {
        EXPECT_FALSE(text.empty());
        EXPECT_EQ(text.find_first_of("|\n"), std::string_view::npos) << "breaks the table";
      }
    }
  }
}

inline constexpr format::Key kPairKeys[] = {{"read", "text", "none", "Somebody asks for it"},
                                            {"forgotten", "text", "none", "Nobody asks for it"}};
inline constexpr format::Section kPair{"pair", "pair: {...}", kPairKeys};

TEST(Format, AKeyThatIsNeverReadIsAProblemOfEveryFile) {
  const auto node = parse_yaml("read: 1\n", "f");
  ASSERT_TRUE(node);
  Problems problems("f");
  SectionReader<kPair> map(*node, "'pair'", problems);
  EXPECT_NE(map.find("read"), nullptr);
  map.finish();
  ASSERT_FALSE(problems.status());
  EXPECT_EQ(problems.status().error().what,
            "f:1:1: please report this: the key 'forgotten' of 'pair' is never read");
}

TEST(Format, ATerminalGetsNoMarkdown) {
  const std::string text = format::plain(format::kScenario);
  EXPECT_EQ(text.find('`'), std::string::npos) << text;
  EXPECT_EQ(text.find("]("), std::string::npos) << text;
  EXPECT_NE(text.find("\n  repeat: number, 1 to 10000; default: 1\n"
                      "    Attempts per cell; --repeat overrides it\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\n  name: name; required\n"), std::string::npos) << text;
}

// "key: default" of each key whose default is one literal, with `given` before them.
std::string with_defaults(const format::Section& section, std::string given) {
  for (const format::Key& key : section.keys) {
    const std::string_view text = key.fallback;
    if (text.size() < 3 || text.front() != '`' || text.find('`', 1) != text.size() - 1) continue;
    given += fmt::format("{}{}: {}", given.empty() ? "" : ", ", key.name,
                         text.substr(1, text.size() - 2));
  }
  return given;
}

// One of each kind of map, with what must be given, and with `defaults` every default spelled out.
Result<Scenario> one_of_everything(bool defaults) {
  const auto map = [&](const format::Section& section, const std::string& given) {
    return "{" + (defaults ? with_defaults(section, given) : given) + "}";
  };
  const std::string object = "object: " + map(format::kObject, "holds: 0x106");
  const std::string percpu = "percpu: {runs: " + map(format::kPerCpu, "is: 1") + "}";
  // The disk's map stands where its default would be.
  std::string guest = map(format::kGuest, "");
  const std::string disks = "disks: [" + map(format::kDisk, "size: 1M") + "]";
  if (const auto at = guest.find("disks: []"); at != std::string::npos) {
    guest.replace(at, std::string("disks: []").size(), disks);
  } else {
    guest = "{" + disks + "}";
  }
  std::string scenario =
      map(format::kScenario,
          "name: n, summary: s, arch: [x86_64], kernel: debian-6.1, guest: " + guest +
              ", variants: {v: " + map(format::kVariant, "module: guest/modules/late_completion") +
              "}, stress: " + map(format::kStress, "program: guest/stress/io_and_net") +
              ", timeouts: " + map(format::kTimeouts, "") + ", expect: {none: {" + object + ", " +
              percpu + "}}");
  if (const std::string none = "{none: {}}"; defaults) {
    const auto at = scenario.find(none);
    if (at == std::string::npos) return fail(Blame::kRig, "detectors have another default");
    scenario.replace(at, none.size(), "{none: " + map(format::kDetector, "") + "}");
  }
  RIG_ASSIGN(const TempDir folder, TempDir::create("format-test"));
  const fs::path file = folder.path() / "s.yaml";
  RIG_TRY(write_file_atomically(file, scenario + "\n"));
  return load_scenario(file, {.root = kFormatRoot});
}

TEST(Format, ItsDefaultsAreTheReaders) {
  const auto plain = one_of_everything(false);
  const auto full = one_of_everything(true);
  ASSERT_TRUE(plain) << plain.error().message();
  ASSERT_TRUE(full) << full.error().message();
  EXPECT_GT(full->text.size(), plain->text.size() + 100) << "no defaults were written";

  EXPECT_EQ(full->cmdline, plain->cmdline);
  EXPECT_EQ(full->ignored_ok, plain->ignored_ok);
  EXPECT_EQ(full->repeat, plain->repeat);
  EXPECT_EQ(full->timeouts.boot, plain->timeouts.boot);
  EXPECT_EQ(full->stress->args, plain->stress->args);
  EXPECT_EQ(full->stress->duration, plain->stress->duration);
  EXPECT_EQ(full->variants.at(0).params, plain->variants.at(0).params);
  EXPECT_EQ(full->variants.at(0).args, plain->variants.at(0).args);
  EXPECT_EQ(full->guest.memory_bytes, plain->guest.memory_bytes);
  EXPECT_EQ(full->guest.cpus, plain->guest.cpus);
  EXPECT_EQ(full->guest.network, plain->guest.network);
  EXPECT_EQ(full->guest.drivers, plain->guest.drivers);
  EXPECT_EQ(full->guest.hardware.devices, plain->guest.hardware.devices);
  EXPECT_EQ(full->guest.disks.at(0).bus, plain->guest.disks.at(0).bus);
  ASSERT_EQ(full->detectors.size(), plain->detectors.size());
  const Detector &one = full->detectors.at(0), &other = plain->detectors.at(0);
  EXPECT_EQ(one.name, other.name);
  EXPECT_EQ(one.cmdline, other.cmdline);
  EXPECT_EQ(one.ignored_ok, other.ignored_ok);
  EXPECT_EQ(one.args, other.args);
  EXPECT_EQ(one.expect.object->size, other.expect.object->size);
  EXPECT_EQ(one.expect.object->offset, other.expect.object->offset);
  EXPECT_EQ(one.expect.percpu.at(0).where, other.expect.percpu.at(0).where);
}

}  // namespace
}  // namespace rig::scenario
