// SPDX-License-Identifier: Apache-2.0
// Real kernels: which parameters take effect, and that a run ends before any attempt when one that
// nobody excused does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/value.hpp>

#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

using testing::HasSubstr;
using testing::Not;

// A load that any guest survives, under one detector with the given lines.
fs::path scenario(const Bench& bench, std::string_view arch, std::string_view detector,
                  std::string_view guest = "{memory: 512M}") {
  const fs::path file = bench.folder() / "cmdline.yaml";
  const std::string text = fmt::format(
      "name: cmdline\nsummary: a guest that lives\narch: [{}]\nkernel: debian-6.1\nguest: {}\n"
      "detectors:\n  it: {}\nvariants: {{lives: {{expect: survive}}}}\n"
      "stress: {{program: guest/stress/io_and_net, args: [--net-only], seconds: 1}}\n",
      arch, guest, detector);
  EXPECT_TRUE(write_file_atomically(file, text));
  return file;
}

// What became of each parameter: its state and evidence, by its text.
std::map<std::string, std::pair<std::string, std::string>> parameters(
    const boost::json::value& document) {
  std::map<std::string, std::pair<std::string, std::string>> found;
  for (const auto& each : cell_of(document, "lives").at("parameters").as_array()) {
    found[std::string(each.at("parameter").as_string())] = {
        std::string(each.at("state").as_string()), std::string(each.at("how").as_string())};
  }
  return found;
}

class Cmdline : public testing::Test {
 protected:
  // Once, into the user's cache: else each test would download it into its own.
  static void SetUpTestSuite() {
    Bench bench;
    const auto ended = bench.crashrig({"kernels", "fetch", "debian-6.1", "--arch", "x86_64,arm64"});
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
  }

  Cmdline() { bench_.set_environment("XDG_CACHE_HOME", own_cache().string()); }

  // The kernels are the user's; remembered answers would make these tests look at nothing.
  fs::path own_cache() const {
    const fs::path cache = bench_.folder() / "cache" / "crashrig";
    const fs::path users = cache_dir().value();
    fs::create_directories(cache);
    for (const auto& entry : fs::directory_iterator(users)) {
      if (entry.path().filename() == "cmdline") continue;
      std::error_code there;
      fs::create_symlink(entry.path(), cache / entry.path().filename(), there);
    }
    return cache.parent_path();
  }

  void expect_all(const std::map<std::string, std::string>& wanted,
                  const std::vector<std::string>& args) {
    const auto ended = bench_.crashrig(args);
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
    const auto found = parameters(ended.json());
    EXPECT_EQ(found.size(), wanted.size());
    for (const auto& [parameter, state] : wanted) {
      const auto each = found.find(parameter);
      ASSERT_NE(each, found.end()) << parameter;
      EXPECT_EQ(each->second.first, state) << parameter << ": " << each->second.second;
      EXPECT_NE(each->second.second, "") << parameter;
    }
  }

  Bench bench_;
};

TEST_F(Cmdline, OfX86ShowsWhatTookEffectAndWhatHasNothingToActOn) {
  const auto file = scenario(
      bench_, "x86_64",
      "{cmdline: [slub_debug=FZPU, oops=panic, panic_on_warn=1, slab_nomerge, init_on_free=1, "
      "init_on_alloc=0, apparmor=0, intel_idle.max_cstate=0, crashkernel=64M, panic=-1, "
      "virtio_blk.queue_depth=32, sysctl.vm.swappiness=7, no-kvmapf, nox2apic, intremap=off, "
      "intremap=no_x2apic_optout, debug_pagealloc=on, kasan.fault=panic, kasan_multi_shot, "
      "rootflags=data=journal, mitigations=off], ignored_ok: [no-kvmapf, nox2apic, intremap, "
      "debug_pagealloc, kasan.fault, kasan_multi_shot, rootflags]}",
      "{memory: 512M, disks: [{size: 64M}]}");
  expect_all({{"slub_debug=FZPU", "effective"},
              {"oops=panic", "effective"},
              {"panic_on_warn=1", "effective"},
              {"slab_nomerge", "effective"},
              {"init_on_free=1", "effective"},
              {"init_on_alloc=0", "effective"},
              {"apparmor=0", "effective"},
              {"intel_idle.max_cstate=0", "effective"},
              {"crashkernel=64M", "effective"},
              {"panic=-1", "effective"},
              {"virtio_blk.queue_depth=32", "effective"},
              {"sysctl.vm.swappiness=7", "effective"},
              {"no-kvmapf", "ineffective"},
              {"nox2apic", "ineffective"},
              {"intremap=off", "ineffective"},
              {"intremap=no_x2apic_optout", "ineffective"},
              {"debug_pagealloc=on", "unknown-to-kernel"},
              {"kasan.fault=panic", "unknown-to-kernel"},
              {"kasan_multi_shot", "unknown-to-kernel"},
              {"rootflags=data=journal", "ineffective"},
              {"mitigations=off", "not-checkable"}},
             {"run", file.string(), "--accel", "tcg", "--json"});
}

constexpr const char* kIommu =
    "{machine: {kernel-irqchip: split}, devices: [\"intel-iommu,intremap=on\"]}";

TEST_F(Cmdline, RemappingIsReallyOffWhereTheMachineHasIt) {
  const auto file =
      scenario(bench_, "x86_64", "{cmdline: [intremap=off, \"slub_debug=PU,kmalloc-32\"]}", kIommu);
  expect_all({{"intremap=off", "effective"}, {"slub_debug=PU,kmalloc-32", "effective"}},
             {"run", file.string(), "--accel", "tcg", "--json"});
}

TEST_F(Cmdline, RemappingIsReallyOnAndFirmwareOptsOutOfNothing) {
  const auto file = scenario(
      bench_, "x86_64",
      "{cmdline: [\"intremap=on\", intremap=no_x2apic_optout], ignored_ok: [intremap]}", kIommu);
  const auto ended = bench_.crashrig({"run", file.string(), "--accel", "tcg", "--json"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const auto found = parameters(ended.json());
  EXPECT_EQ(found.at("intremap=on").first, "effective");
  EXPECT_THAT(found.at("intremap=on").second, HasSubstr("Enabled IRQ remapping in"));
  EXPECT_THAT(found.at("intremap=no_x2apic_optout").second, HasSubstr("opt out"));
}

TEST_F(Cmdline, OfArm64ShowsWhatTookEffectAndWhatItDoesNotKnow) {
  const auto file = scenario(
      bench_, "arm64",
      "{cmdline: [slub_debug=FZPU, oops=panic, panic_on_warn=1, slab_nomerge, init_on_free=1, "
      "init_on_alloc=0, apparmor=0, crashkernel=64M, no-kvmapf, nox2apic, intremap=off, "
      "debug_pagealloc=on, kasan.fault=panic, rootflags=data=journal, intel_idle.max_cstate=0], "
      "ignored_ok: [no-kvmapf, nox2apic, intremap, debug_pagealloc, kasan.fault, rootflags, "
      "intel_idle.max_cstate]}");
  expect_all({{"slub_debug=FZPU", "effective"},
              {"oops=panic", "effective"},
              {"panic_on_warn=1", "effective"},
              {"slab_nomerge", "effective"},
              {"init_on_free=1", "effective"},
              {"init_on_alloc=0", "effective"},
              {"apparmor=0", "effective"},
              {"crashkernel=64M", "effective"},
              {"no-kvmapf", "unknown-to-kernel"},
              {"nox2apic", "unknown-to-kernel"},
              {"intremap=off", "unknown-to-kernel"},
              {"debug_pagealloc=on", "unknown-to-kernel"},
              {"kasan.fault=panic", "unknown-to-kernel"},
              {"rootflags=data=journal", "ineffective"},
              {"intel_idle.max_cstate=0", "ineffective"}},
             {"run", file.string(), "--accel", "tcg", "--json"});
}

TEST_F(Cmdline, WhatNobodyExcusedEndsTheRunBeforeAnyAttempt) {
  const auto file =
      scenario(bench_, "x86_64", "{cmdline: [oops=panic, slub_debgu=FZPU, no-kvmapf]}");
  const std::vector<std::string> args = {"run", file.string(), "--accel", "tcg"};
  const auto ended = bench_.crashrig(args);
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.err, HasSubstr("did you mean 'slub_debug'?"));
  EXPECT_THAT(ended.err, HasSubstr("x86_64/debian-6.1/it: no-kvmapf has no effect"));
  EXPECT_THAT(ended.err, HasSubstr("ignored_ok: [no-kvmapf, slub_debgu]"));
  EXPECT_THAT(ended.err, Not(HasSubstr("oops=panic has")));
  EXPECT_TRUE(!fs::exists(bench_.results()) || fs::is_empty(bench_.results()));
  EXPECT_TRUE(bench_.leftover_processes().empty());
  EXPECT_TRUE(bench_.leftover_temporary_files().empty());
  const Stopwatch watch;
  EXPECT_EQ(bench_.crashrig(args).exit_code, 2);
  EXPECT_LT(watch.seconds(), 1.5) << "the answer is remembered: nothing is booted";
}

}  // namespace
}  // namespace rig::e2e
