// SPDX-License-Identifier: Apache-2.0
// Frees that the allocator refused: of an object that is free already.
#include <fmt/format.h>

#include <algorithm>

#include "analyzer/allocator_functions.h"
#include "analyzer/judgement/rules.h"
#include "analyzer/reporting_cpu.h"

namespace rig::analyzer {
namespace {

template <std::size_t N>
bool is_one_of(const std::string_view (&names)[N], std::string_view function) {
  function = function.substr(0, function.find('.'));  // what the compiler adds: ".cold"
  return std::find(std::begin(names), std::end(names), function) != std::end(names);
}

// Where set_freepointer() is inlined. It stops the kernel when an object is freed right after
// itself: mm/slub.c since ce6fa91b9363 (v4.14), with CONFIG_SLAB_FREELIST_HARDENED.
constexpr std::string_view kFreeing[] = {"set_freepointer", "__slab_free",       "do_slab_free",
                                         "kmem_cache_free", "__kmem_cache_free", "kfree"};

std::optional<Finding> refused_by_bug(const Findings& facts) {
  const auto report = oops::cause(facts.reports);
  if (!report || report->kind != "kernel-bug" || report->frames.empty()) return std::nullopt;
  const std::string& in = report->frames.front().function;
  if (!is_one_of(kFreeing, in)) return std::nullopt;
  Finding finding{"double-free", Confidence::kLikely, {}, {}, report->cache, {}};
  finding.summary = "an object was freed twice in a row";
  if (!report->function.empty())
    finding.summary += ", the second time by " + function_words(*report);
  finding.evidence = {
      fmt::format("{} refused to put an object in front of itself on a freelist", in)};
  return finding;
}

// What slub_debug=F has every free pass: mm/slub.c.
constexpr std::string_view kChecking[] = {"free_consistency_checks", "free_debug_processing",
                                          "free_to_partial_list"};

// Who called the free that is being checked; null: none is.
const CodeLocation* caller_of_checked_free(const Backtrace& trace) {
  auto frame = std::find_if(
      trace.frames.begin(), trace.frames.end(),
      [](const BacktraceFrame& each) { return is_one_of(kChecking, each.at.function); });
  while (frame != trace.frames.end()) {
    if (!is_one_of(kChecking, frame->at.function) && !allocates_for_others(frame->at)) {
      return &frame->at;
    }
    ++frame;
  }
  return nullptr;
}

// At a stop (`stop_at`) SLUB has written nothing yet: a free object in its hands is what it
// refuses.
std::optional<Finding> refused_at_stop(const Findings& facts) {
  const CpuFacts* cpu = reporting_cpu(facts);
  const auto* begun = cpu != nullptr ? report_begun(*cpu) : nullptr;
  if (begun == nullptr || begun->group != "slub") return std::nullopt;
  const CodeLocation* caller = caller_of_checked_free(facts.backtrace);
  if (caller == nullptr) return std::nullopt;
  const auto held =
      std::find_if(facts.pointers.begin(), facts.pointers.end(), [](const PointerFacts& each) {
        return each.from.starts_with("register") && each.object &&
               each.object->allocated == false && each.value == each.object->address;
      });
  if (held == facts.pointers.end()) return std::nullopt;
  const SlabObject& object = *held->object;
  Finding finding{"double-free", Confidence::kLikely, {}, {}, object.cache, object.address};
  finding.summary = fmt::format("{} object {} was freed again by {}", object.cache, object.address,
                                function_words(*caller));
  finding.evidence = {fmt::format("it was free already: {}", object.evidence)};
  add_owners(object, finding);
  return finding;
}

}  // namespace

void look_at_refused_free(const Findings& facts, std::vector<Finding>& found) {
  auto refused = refused_by_bug(facts);
  if (!refused) refused = refused_at_stop(facts);
  if (!refused) return;
  // The audit may have found that very object on a freelist twice.
  const auto known = std::find_if(found.begin(), found.end(), [&](const Finding& each) {
    return each.kind == refused->kind && (!refused->object || each.object == refused->object);
  });
  if (known == found.end()) {
    found.insert(found.begin(), *std::move(refused));
  } else {
    known->evidence.push_back(refused->evidence.front());
  }
}

}  // namespace rig::analyzer
