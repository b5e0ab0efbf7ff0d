// SPDX-License-Identifier: Apache-2.0
// A guest's heap is damaged in known ways, and the guest ends. The audit of its core names exactly
// what was done: no fault is missing, and there is none besides.
#include "e2e/heap_suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <optional>
#include <set>

#include "base/text.h"
#include "e2e/heap_record.h"
#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

namespace json = boost::json;
using testing::Contains;

// What has to be found of a fault. Empty: nothing, for it leaves no trace in such a guest. KASAN
// refuses to free twice, and what is free waits on no freelist until the cache is shrunk.
struct Expected {
  const char* fault;
  const char* plain;
  const char* slub_debug;
  const char* kasan = "";
  bool counts = false;  // the cache's objects in use are still as many as the module says
};
constexpr Expected kExpected[] = {
    {"none", "", "", "", true},
    {"leak", "", "", "", true},
    {"cross-cache-free", "", "", "", true},
    {"double-free-adjacent", "freed-twice", "freed-twice"},
    {"double-free-cycle", "freed-twice", "freed-twice"},
    {"double-free-aba", "freed-twice", ""},
    {"double-free-two-cpus", "freed-twice", ""},
    {"pointer-garbage", "free-pointer-invalid", "free-pointer-invalid"},
    {"pointer-foreign", "free-pointer-foreign", "free-pointer-foreign", "free-pointer-foreign"},
    {"pointer-misaligned", "free-pointer-misaligned", "free-pointer-misaligned"},
    {"uaf-write-1", "", "poison-overwritten", "", true},
    {"uaf-write-4", "", "poison-overwritten", "", true},
    {"uaf-write-8", "", "poison-overwritten", "", true},
    {"uaf-write-gap", "", "poison-overwritten", "", true},
    {"uaf-write-kmalloc", "", "poison-overwritten"},
    {"red-zone-right", "", "red-zone-overwritten", "", true},
    {"red-zone-left", "", "red-zone-overwritten", "", true},
    {"red-zone-freed", "", "red-zone-overwritten", "", true},
    {"full-slab", "", "red-zone-overwritten", "", true},
    {"padding", "", "padding-overwritten", "", true},
    {"slab-padding", "", "padding-overwritten", "", true},
    {"freed-page", "slab-lost", "slab-lost", "slab-lost"},
};

bool has_kasan(const HeapSystem& system) {
  return system.kernel.find("kasan") != std::string::npos;
}

std::string kind_of(const Expected& row, const HeapSystem& system) {
  return has_kasan(system) ? row.kasan : system.detector == "slub" ? row.slub_debug : row.plain;
}

const Expected* expected_of(const std::string& fault) {
  const auto row = std::ranges::find(kExpected, fault, &Expected::fault);
  return row != std::end(kExpected) ? row : nullptr;
}

// A capture kernel needs some of its own.
void give_memory(std::string& scenario) {
  const std::string own = "memory: 256M";
  const auto at = scenario.find(own);
  ASSERT_NE(at, std::string::npos);
  scenario.replace(at, own.size(), "memory: 512M");
}

// One guest that was damaged and ended, and what the analyzer says of its core.
class DamagedGuest {
 public:
  explicit DamagedGuest(const HeapSystem& system) {
    auto scenario = read_file(fs::path(RIG_ROOT) / "tests/e2e/scenarios/heap.yaml").value();
    if (system.capture != "qmp") give_memory(scenario);
    const fs::path path = bench_.folder() / "heap.yaml";
    EXPECT_TRUE(write_file_atomically(path, scenario));
    const auto ended =
        bench_.crashrig({"run", path.string(), "--arch", system.arch, "--kernel", system.kernel,
                         "--detector", system.detector, "--variant", system.variant, "--capture",
                         system.capture, "--keep-core", "--json"});
    EXPECT_THAT(ended.exit_code, testing::AnyOf(0, 1)) << ended.err;
    attempt_ = attempt_of(ended.json(), system.variant);
    planted_ = read_planted(text_of(ask({"log"})));
    EXPECT_FALSE(planted_.empty()) << "the module printed nothing: " << json::serialize(attempt_);
  }

  json::value ask(std::vector<std::string> question) {
    question.insert(question.begin(), {"inspect", "--json", text_of(attempt_.at("core"))});
    const auto ended = bench_.crashrig(std::move(question));
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return ended.exit_code == 0 ? ended.json().at("answer") : json::value();
  }
  const std::vector<PlantedFault>& planted() const { return planted_; }
  const json::object& attempt() const { return attempt_; }

 private:
  Bench bench_;
  json::object attempt_;
  std::vector<PlantedFault> planted_;
};

// --- One corruption -----------------------------------------------------------------------------

// The name of a place's function, without what the compiler made of it: ".constprop.0".
std::string function_at(const json::value& location) {
  const std::string name = text_of(location.at("function"));
  return name.substr(0, name.find('.'));
}

// The function that a note about an object names: where it was allocated or freed.
std::string function_of(const json::value& track) {
  if (!track.is_object() || !track.at("caller").is_object()) return {};
  return function_at(track.at("caller"));
}

// The kernel leaves out the innermost frames, by a count that does not know what was inlined: of
// who freed an object the stack may only have the callers.
void expect_track(const json::value& track, const std::string& function) {
  EXPECT_EQ(function_of(track), function);
  if (function.empty() || !track.is_object()) return;
  std::vector<std::string> stack;
  for (const auto& frame : track.at("stack").as_array()) stack.push_back(function_at(frame));
  EXPECT_THAT(stack, testing::AnyOf(Contains("hf_init"), Contains("hf_end")));
}

std::vector<std::string> bytes_of(const std::string& hex) {
  return hex.empty() ? std::vector<std::string>() : split(hex, ' ');
}

// What lies at `offset` of a place that nobody has damaged (include/linux/poison.h, mm/slub.c).
std::string healthy_byte(const std::string& kind, const PlantedFault& planted, std::int64_t offset,
                         std::int64_t object_size) {
  if (kind == "padding-overwritten") return "5a";
  if (kind == "red-zone-overwritten") return planted.free.empty() ? "cc" : "bb";
  return offset == object_size - 1 ? "a5" : "6b";
}

void expect_bytes(const json::value& found, const PlantedFault& planted, std::int64_t object_size) {
  const std::string kind = text_of(found.at("kind"));
  EXPECT_EQ(found.at("offset").to_number<std::int64_t>(), planted.offset);
  EXPECT_EQ(text_of(found.at("found")), planted.bytes);
  const auto expected = bytes_of(text_of(found.at("expected")));
  EXPECT_EQ(expected.size(), bytes_of(planted.bytes).size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto offset = planted.offset + static_cast<std::int64_t>(i);
    EXPECT_EQ(expected[i], healthy_byte(kind, planted, offset, object_size)) << "byte " << i;
  }
}

void expect_corruption(const json::value& found, const PlantedFault& planted,
                       const HeapSystem& system) {
  const std::string kind = text_of(found.at("kind"));
  EXPECT_EQ(text_of(found.at("slab")), planted.slab);
  if (kind == "slab-lost") return;
  EXPECT_EQ(text_of(found.at("object")), planted.fault == "slab-padding" ? "" : planted.object);
  if (kind.starts_with("free-pointer-")) {
    EXPECT_EQ(found.at("offset").to_number<std::int64_t>(), planted.offset);
    EXPECT_EQ(text_of(found.at("found")), planted.bytes);
    if (kind != "free-pointer-invalid") {
      EXPECT_EQ(text_of(found.at("pointer")), planted.pointer);
    }
  }
  if (kind.ends_with("-overwritten")) {
    const auto size = found.as_object().if_contains("object_size");
    expect_bytes(found, planted, size != nullptr ? size->to_number<std::int64_t>() : 0);
  }
  if (system.detector == "slub" && planted.fault != "slab-padding") {
    expect_track(found.at("alloc"), planted.alloc);
    expect_track(found.at("free"), planted.free);
    if (!planted.alloc.empty()) {
      EXPECT_EQ(found.at("alloc").at("pid").to_number<std::uint64_t>(), planted.pid);
    }
  }
}

// --- All of them --------------------------------------------------------------------------------

void expect_exactly(const json::array& corruptions, const std::vector<PlantedFault>& planted,
                    const HeapSystem& system) {
  std::set<const json::value*> explained;
  for (const PlantedFault& fault : planted) {
    SCOPED_TRACE(fault.fault);
    const Expected* row = expected_of(fault.fault);
    ASSERT_NE(row, nullptr);
    const std::string kind = kind_of(*row, system);
    if (kind.empty()) continue;
    const auto of_it = std::ranges::find_if(corruptions, [&](const json::value& each) {
      return text_of(each.at("cache")) == fault.cache && text_of(each.at("kind")) == kind;
    });
    if (of_it == corruptions.end()) {
      ADD_FAILURE() << "not found: " << kind << " in " << fault.cache << ", object "
                    << fault.object;
      continue;
    }
    explained.insert(&*of_it);
    expect_corruption(*of_it, fault, system);
  }
  for (const json::value& each : corruptions) {
    if (!explained.contains(&each)) ADD_FAILURE() << "there is no " << json::serialize(each);
  }
}

void expect_counts(const json::array& caches, const std::vector<PlantedFault>& planted,
                   const HeapSystem& system) {
  for (const PlantedFault& fault : planted) {
    const Expected* row = expected_of(fault.fault);
    if (row == nullptr || !row->counts) continue;
    if (has_kasan(system) && !fault.free.empty()) continue;  // what is free may look as if in use
    const auto cache = std::ranges::find_if(
        caches, [&](const json::value& each) { return text_of(each.at("name")) == fault.cache; });
    if (cache == caches.end()) {
      ADD_FAILURE() << "there is no cache " << fault.cache;
      continue;
    }
    EXPECT_EQ(cache->at("allocated").to_number<std::uint64_t>(), fault.allocated) << fault.cache;
  }
}

// KASAN notes who had an object: of one that left its quarantine only who allocated it.
void expect_owners(DamagedGuest& guest) {
  for (const PlantedFault& fault : guest.planted()) {
    SCOPED_TRACE(fault.fault);
    const Expected* row = expected_of(fault.fault);
    ASSERT_NE(row, nullptr);
    if (std::string_view(row->kasan) == "slab-lost") continue;  // there is no object any more
    const json::value object = guest.ask({"whatis", fault.object});
    expect_track(object.at("allocated_by"), fault.alloc);
    if (object.at("freed_by").is_object()) expect_track(object.at("freed_by"), fault.free);
  }
}

}  // namespace

void PrintTo(const HeapSystem& system, std::ostream* out) {
  *out << system.arch << " " << system.kernel << " " << system.detector << " " << system.variant
       << " " << system.capture;
}

std::string heap_system_name(const testing::TestParamInfo<HeapSystem>& each) {
  return fmt::format("{}_{}_{}_{}", each.param.arch, each.param.detector, each.param.variant,
                     each.param.capture);
}

TEST_P(Heap, EveryFaultIsFoundAndNothingElse) {
  DamagedGuest guest(GetParam());
  const json::value audit = guest.ask({"audit"});
  expect_exactly(audit.at("corruptions").as_array(), guest.planted(), GetParam());
  const json::value slab = guest.ask({"slab"});
  expect_counts(slab.at("caches").as_array(), guest.planted(), GetParam());
  if (has_kasan(GetParam())) expect_owners(guest);
  if (GetParam().capture != "both") return;
  // The same crash, taken by the machine right before the capture kernel.
  EXPECT_EQ(text_of(guest.attempt().at("captured_by")), "kdump");
  EXPECT_FALSE(text_of(guest.attempt().at("machine_core")).empty());
  // Other CPUs go on for a moment between the two: a difference has to be there twice.
  const auto differences = json::serialize(guest.attempt().at("core_differences"));
  if (differences == "[]") return;
  DamagedGuest again(GetParam());
  EXPECT_EQ(json::serialize(again.attempt().at("core_differences")), "[]") << "and " << differences;
}

}  // namespace rig::e2e
