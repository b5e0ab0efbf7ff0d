// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/percpu_values.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "fakes/kernel_core.h"

namespace rig::analyzer {
namespace {

using fake::KernelCore;
using testing::HasSubstr;

PerCpuFacts values_of(KernelCore& core, const std::string& name) {
  const auto path =
      std::filesystem::temp_directory_path() / fmt::format("percpu-values-{}", ::getpid());
  EXPECT_TRUE(core.core().write(path, rig::fakes::CoreFormat::kKdumpRaw));
  auto opened = Core::open(path);
  EXPECT_TRUE(opened);
  Session session(*std::move(opened));
  PerCpuFacts facts = percpu_values(session, name);
  std::filesystem::remove(path);
  return facts;
}

std::vector<std::uint64_t> numbers(const PerCpuFacts& facts) {
  std::vector<std::uint64_t> all;
  for (const auto& each : facts.values) all.push_back(each.value);
  return all;
}

TEST(PerCpuValues, OfAStaticVariableAreThoseOfEveryCpu) {
  KernelCore core;
  const PerCpuFacts facts = values_of(core, "counter");
  EXPECT_EQ(numbers(facts), (std::vector<std::uint64_t>{7, 8})) << facts.problem;
  EXPECT_EQ(facts.values[1].cpu, 1u);
  EXPECT_EQ(facts.name, "counter");
}

TEST(PerCpuValues, OfAPointerAreMembersOfWhatAllocPercpuGave) {
  KernelCore core;
  core.put(KernelCore::kSample, KernelCore::kPointer);
  EXPECT_EQ(numbers(values_of(core, "sample->list_head.prev")),
            (std::vector<std::uint64_t>{101, 201}));
  EXPECT_EQ(numbers(values_of(core, "sample->sample.id")), (std::vector<std::uint64_t>{102, 202}));
}

TEST(PerCpuValues, KeepTheSignOfTheirType) {
  KernelCore core;
  core.put(KernelCore::kSample, KernelCore::kPointer);
  core.put(0xffffffff83100000 + 0x1040 + 16, std::int32_t{-3});
  EXPECT_EQ(values_of(core, "sample->sample.id").values.at(0).value,
            static_cast<std::uint64_t>(-3));
}

TEST(PerCpuValues, SayWhyThereAreNone) {
  KernelCore core;
  core.put(KernelCore::kSample, KernelCore::kPointer);
  EXPECT_THAT(values_of(core, "sample").problem, HasSubstr("no per-CPU variable 'sample'"));
  EXPECT_THAT(values_of(core, "nosuch->list_head.next").problem, HasSubstr("no variable 'nosuch'"));
  EXPECT_THAT(values_of(core, "sample->nosuch.next").problem, HasSubstr("no type 'nosuch'"));
  EXPECT_THAT(values_of(core, "sample->list_head.nosuch").problem, HasSubstr("no member 'nosuch'"));
  EXPECT_THAT(values_of(core, "sample->list_head").problem, HasSubstr("is no number: 16 bytes"));
  core.put(KernelCore::kSample, std::uint64_t{0});
  EXPECT_THAT(values_of(core, "sample->list_head.next").problem, HasSubstr("points nowhere"));
}

}  // namespace
}  // namespace rig::analyzer
