// SPDX-License-Identifier: Apache-2.0
// Reports of a log for people and for programs: docs/OOPS.md.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "oops/report.h"

namespace rig::publish {

// One JSON object on one line. `report` null: nothing was found. Lines are counted from 1.
std::string oops_json(std::string_view file, const oops::Report* report);

// What `report` says, over several lines; the others are told in one line.
std::string oops_text(std::string_view file, const oops::Report* report,
                      std::span<const oops::Report> all);

}  // namespace rig::publish
