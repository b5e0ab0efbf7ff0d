// SPDX-License-Identifier: Apache-2.0
// One guest, its core in every form that somebody could have it in: the same answers, or a clear
// error; never a wrong answer without a mark.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <random>

#include "analyzer/core/core.h"
#include "e2e/rig_process.h"
#include "fakes/synthetic_core.h"

namespace rig::e2e {
namespace {

namespace json = boost::json;
using analyzer::Core;
using analyzer::CpuNote;
using fakes::CoreFormat;
using fakes::SyntheticCore;
using testing::AnyOf;
using testing::HasSubstr;

// What an analysis says of the guest, without what it says of the file.
std::string of_the_guest(json::value findings) {
  auto& object = findings.as_object();
  for (const char* of_the_file : {"core", "seconds", "problems"}) object.erase(of_the_file);
  return json::serialize(object);
}

class CoreForms : public testing::TestWithParam<const char*> {
 protected:
  static constexpr std::uint64_t kPage = SyntheticCore::kPage;

  void SetUp() override {
    // Half the memory: it is copied many times.
    const auto file = bench_.scenario({{"memory: 512M", "memory: 256M"}});
    const auto ended = bench_.crashrig({"run", file.string(), "--arch", GetParam(), "--detector",
                                        "none", "--variant", "faulty", "--repeat", "1", "--format",
                                        "elf", "--keep-core", "--json"});
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
    path_ = text_of(attempt_of(ended.json(), "faulty").at("core"));
    findings_ = analyze({path_.string()});
    auto opened = Core::open(path_);
    ASSERT_TRUE(opened) << opened.error().message();
    core_.emplace(*std::move(opened));
  }

  json::value analyze(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"analyze", "--json"});
    const auto ended = bench_.crashrig(std::move(arguments));
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return ended.exit_code == 0 ? ended.json() : json::value();
  }

  // Every page of the core but those of `hole`.
  void copy_memory(SyntheticCore& to, PhysAddr hole = {}, std::uint64_t hole_size = 0) const {
    to.arch(core_->arch()).vmcoreinfo(core_->vmcoreinfo()->text());
    std::vector<std::byte> page(kPage);
    for (const analyzer::PhysRange& range : core_->memory().ranges()) {
      for (std::uint64_t at = 0; at + kPage <= range.size; at += kPage) {
        if (range.begin + at - hole < hole_size) continue;
        if (core_->memory().read(range.begin + at, page)) to.page(range.begin + at, page);
      }
    }
  }
  SyntheticCore copy() const {
    SyntheticCore copied;
    copy_memory(copied);
    for (const CpuNote& cpu : core_->cpus()) copied.prstatus(cpu.prstatus, cpu.qemu);
    return copied;
  }

  // The largest range of RAM, where the guest's memory is.
  analyzer::PhysRange ram() const {
    const auto ranges = core_->memory().ranges();
    return *std::ranges::max_element(ranges, {}, &analyzer::PhysRange::size);
  }
  // A MiB of it that holds zeros only: what a boot loader had kept for itself, say.
  std::optional<PhysAddr> empty_megabyte() const {
    constexpr std::uint64_t kSize = 1 << 20;
    std::vector<std::byte> bytes(kSize);
    const auto range = ram();
    for (std::uint64_t at = 0; at + kSize <= range.size; at += kSize) {
      if (!core_->memory().read(range.begin + at, bytes)) continue;
      if (std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; })) {
        return range.begin + at;
      }
    }
    return std::nullopt;
  }

  fs::path put(const std::string& name, std::string_view bytes) const {
    const fs::path path = bench_.folder() / name;
    EXPECT_TRUE(fakes::write_bytes(path, bytes));
    return path;
  }
  void expect_the_same(const json::value& other) const {
    ASSERT_TRUE(other.is_object());
    EXPECT_EQ(of_the_guest(other), of_the_guest(findings_));
  }

  // A damaged file: an answer with a remark, or an error that says what it is.
  void expect_an_answer_or_a_reason(const fs::path& path) {
    const auto ended = bench_.crashrig({"analyze", "--json", path.string()});
    EXPECT_THAT(ended.exit_code, AnyOf(0, 2)) << path << ended.err;
    if (ended.exit_code == 2) {
      EXPECT_THAT(ended.err, HasSubstr(path.filename().string()));
      return;
    }
    const auto found = ended.json();
    const bool marked = !found.at("problems").as_array().empty();
    EXPECT_TRUE(marked || of_the_guest(found) == of_the_guest(findings_)) << path;
  }

  Bench bench_;
  fs::path path_;
  json::value findings_;
  std::optional<Core> core_;
};

TEST_P(CoreForms, HaveTheSameAnswers) {
  const SyntheticCore copied = copy();
  const auto range = ram();
  const std::uint64_t third = align_down(range.size / 3, kPage);
  for (const CoreFormat format : fakes::kAllCoreFormats) {
    SCOPED_TRACE(to_string(format));
    const std::string name(to_string(format));
    const std::string whole = copied.bytes(format);
    expect_the_same(analyze({put(name, whole).string()}));
    if (format == CoreFormat::kElf) continue;
    expect_the_same(analyze({put(name + "-flat", fakes::flattened(whole)).string()}));

    std::vector<std::string> arguments;
    const PhysAddr ends[] = {PhysAddr{0}, range.begin + third, range.begin + 2 * third,
                             PhysAddr{1ull << 40}};
    for (std::size_t i = 0; i < 3; ++i) {
      const auto bytes = SyntheticCore(copied).part(ends[i], ends[i + 1]).bytes(format);
      if (i > 0) arguments.emplace_back("--part");
      arguments.push_back(put(fmt::format("{}-{}", name, i), bytes).string());
    }
    expect_the_same(analyze(arguments));
    for (const std::string& each : arguments) fs::remove(each);
    fs::remove(bench_.folder() / (name + "-flat"));

    std::string cut = whole.substr(0, whole.size() * 2 / 3);
    expect_an_answer_or_a_reason(put(name + "-cut", cut));
    std::mt19937_64 random(7);
    std::string flipped = whole;
    for (unsigned i = 0; i < 64; ++i) {
      char& byte = flipped[random() % flipped.size()];
      byte = static_cast<char>(byte ^ (1 << random() % 8));
    }
    const auto ended =
        bench_.crashrig({"analyze", "--json", put(name + "-flipped", flipped).string()});
    EXPECT_THAT(ended.exit_code, AnyOf(0, 2)) << ended.err;
  }
}

// What a kernel that took over by kexec leaves: the registers that each CPU saved itself, with the
// PID of its task and without a base of its per-CPU area, and memory with holes.
TEST_P(CoreForms, AreTheSameAsTheKernelItselfWritesThem) {
  SyntheticCore written;
  const auto hole = empty_megabyte();
  ASSERT_TRUE(hole) << "no unused MiB in the whole guest";
  copy_memory(written, *hole, 1 << 20);
  std::uint32_t pid = 0;
  for (CpuNote cpu : core_->cpus()) {
    constexpr std::size_t kPid = 32, kGsBase = 112 + 22 * 8;
    std::memcpy(cpu.prstatus.data() + kPid, &pid, sizeof pid);
    if (core_->arch() == Arch::kX86_64) std::memset(cpu.prstatus.data() + kGsBase, 0, 8);
    pid = 1;  // the first CPU was idle
    written.prstatus(cpu.prstatus);
  }
  expect_the_same(analyze({put("vmcore", written.bytes(CoreFormat::kElf)).string()}));
}

INSTANTIATE_TEST_SUITE_P(Arch, CoreForms, testing::Values("x86_64", "arm64"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace rig::e2e
