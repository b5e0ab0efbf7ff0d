// SPDX-License-Identifier: Apache-2.0
// A guest that allocates and frees on all CPUs as fast as it can is stopped at any moment, and its
// memory looked at. There is always something half done then; it must not be taken for damage.
#include "e2e/clean_suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <random>

#include "base/text.h"
#include "e2e/rig_process.h"
#include "e2e/storm_guest.h"

namespace rig::e2e {
namespace {

namespace json = boost::json;

// Functions of mm/slub.c in which slabs change hands. Those that a compiler has inlined are part of
// the others.
constexpr const char* kAllocatorFunctions[] = {"kmem_cache_alloc",
                                               "kmem_cache_free",
                                               "kfree",
                                               "___slab_alloc",
                                               "__slab_free",
                                               "deactivate_slab",
                                               "get_partial_node",
                                               "allocate_slab",
                                               "new_slab",
                                               "put_cpu_partial",
                                               "__unfreeze_partials",
                                               "discard_slab",
                                               "__free_slab",
                                               "flush_cpu_slab",
                                               "kmem_cache_alloc_bulk",
                                               "kmem_cache_free_bulk",
                                               "alloc_debug_processing",
                                               "free_debug_processing",
                                               "free_to_partial_list",
                                               "setup_object",
                                               "init_object",
                                               "set_track_prepare",
                                               "check_object",
                                               "on_freelist",
                                               "__kmem_cache_do_shrink"};

class Examination {
 public:
  explicit Examination(const CleanSystem& system) : system_(system) {}

  Status run() {
    RIG_ASSIGN(auto guest, StormGuest::start(system_.arch, system_.cmdline, bench_.folder()));
    for (unsigned i = 0; i < system_.moments; ++i) {
      RIG_TRY(guest.run_for(std::chrono::milliseconds(1 + random_() % 60)));
      RIG_TRY(look(guest, fmt::format("moment {}", i)));
    }
    if (system_.steps == 0) return {};
    RIG_TRY(guest.take_core(core_));
    const auto steps = instructions();
    EXPECT_GT(steps.size(), 500u) << "which instructions are the allocator's?";
    // Many are of cases that do not happen.
    for (unsigned i = 0; i < 20 * system_.steps && reached_ < system_.steps; ++i) {
      const VirtAddr address = steps[random_() % steps.size()];
      RIG_ASSIGN(const bool hit, guest.run_to(address, std::chrono::milliseconds(700)));
      if (!hit) continue;
      ++reached_;
      RIG_TRY(look(guest, fmt::format("step {} at {}", i, address)));
    }
    EXPECT_EQ(reached_, system_.steps) << "instructions of the allocator that anybody executes";
    return {};
  }

 private:
  Status look(StormGuest& guest, const std::string& when) {
    RIG_TRY(guest.take_core(core_));
    const auto ended = bench_.crashrig({"inspect", "--json", core_.string(), "audit"});
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    if (ended.exit_code != 0) return {};
    const json::value audit = ended.json().at("answer");
    const auto& found = audit.at("corruptions").as_array();
    EXPECT_TRUE(found.empty()) << when << ": " << json::serialize(found) << kept(when);
    return {};
  }

  // The addresses of the allocator's instructions, by the core itself.
  std::vector<VirtAddr> instructions() {
    std::vector<VirtAddr> all;
    for (const char* function : kAllocatorFunctions) {
      const auto ended = bench_.crashrig({"inspect", "--json", core_.string(), "dis", function});
      if (ended.exit_code != 0) continue;
      const json::value answer = ended.json().at("answer");
      for (const json::value& each : answer.as_array()) {
        const auto address = parse_u64(std::string(each.at("address").as_string()));
        if (address) all.push_back(VirtAddr{*address});
      }
    }
    return all;
  }

  // $CRASHRIG_KEEP_CORES: a folder for the cores of what should not be.
  std::string kept(const std::string& when) {
    const char* folder = std::getenv("CRASHRIG_KEEP_CORES");
    if (folder == nullptr) return {};
    std::string name = fmt::format("false-{}-{}-{}", to_string(system_.arch), system_.name, when);
    std::replace(name.begin(), name.end(), ' ', '-');
    const fs::path copy = fs::path(folder) / name;
    std::error_code error;
    fs::copy_file(core_, copy, fs::copy_options::overwrite_existing, error);
    return error ? "" : fmt::format("; kept as {}", copy.string());
  }

  const CleanSystem& system_;
  Bench bench_;
  const fs::path core_ = bench_.folder() / "core";
  std::mt19937_64 random_{7};
  unsigned reached_ = 0;
};

}  // namespace

void PrintTo(const CleanSystem& system, std::ostream* out) {
  *out << to_string(system.arch) << " " << system.cmdline;
}

std::string clean_system_name(const testing::TestParamInfo<CleanSystem>& each) {
  return fmt::format("{}_{}", to_string(each.param.arch), each.param.name);
}

TEST_P(Clean, GuestUnderLoadLooksHealthyAtAnyMoment) {
  Examination examination(GetParam());
  const Status status = examination.run();
  ASSERT_TRUE(status) << status.error().message();
}

}  // namespace rig::e2e
