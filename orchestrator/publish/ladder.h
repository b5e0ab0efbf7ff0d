// SPDX-License-Identifier: Apache-2.0
// What each detector makes of the same fault: what is reported, how soon, how near to who did it,
// and what it costs. The advice that production reports arrive at by trial: a plain core, then
// slub_debug, then KASAN.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store/record.h"

namespace rig::publish {

// Whom the report or the core names: the faulty module, or only who stumbled over the damage.
enum class Named { kNobody, kVictim, kCulpritInCore, kCulprit };
std::string_view to_string(Named named);

// One detector on one kernel. Times, counts and rates are medians over the attempts.
struct Rung {
  std::string kernel, detector;
  std::size_t attempts = 0;
  std::size_t caught = 0;  // ended as the scenario expects of a faulty variant
  // Of the first attempt that was caught.
  std::string report;    // kind: "kasan-use-after-free"; empty: nothing was reported
  std::string function;  // "late_write [late_completion]"
  Named named = Named::kNobody;
  std::string evidence;  // "use-after-free-write (certain)": the first finding of its core
  std::optional<double> seconds;
  std::optional<double> work;  // of the guest's load until then
  // The load's rate where the variant survives, against the first rung's; 1 is as fast.
  std::optional<double> speed;
};

struct Ladder {
  std::string scenario, arch, variant;
  std::vector<Rung> rungs;
};

// One for each scenario, architecture and faulty variant that more than one detector or kernel saw.
std::vector<Ladder> ladders(const store::RunRecord& run);

// Empty without ladders.
std::string ladder_text(const std::vector<Ladder>& ladders, bool colour);

}  // namespace rig::publish
