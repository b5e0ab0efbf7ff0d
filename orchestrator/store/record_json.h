// SPDX-License-Identifier: Apache-2.0
// Records as JSON and back. One document serves manifest.json and `crashrig run --json`:
//
//   {"schema": 1, "run", "ok", "cells": [{"scenario", "arch", "kernel", "detector", "variant",
//    "verdict", "kernel_release", "kernel_package", "kernel_version", "boot", "cmdline",
//    "module_file", "module_sha256",
//    "parameters": [{"parameter", "state", "how"}], "ignored_ok": [...], "not_checked",
//    "attempts": [{"outcome", "seconds": {"boot", "crash", "capture", "analyze"}, "work",
//    "work_per_second", "watchdog" (seconds),
//                  "stopped": {...}, "hang": {...}, "report": {...},
//                  "finding": {"kind", "confidence", "summary", "evidence"}, "checks":
//                  [{"predicate", "expected", "found", "holds"}], "error", "reason", "core",
//                  "captured_by", "machine_core", "core_differences": [...], "core_format",
//                  "findings", "console", "command_line", "accelerator", "backend_version"}]}]}
//
// What is not known is null. Addresses, registers and offsets are hexadecimal text ("0x106"): not
// every reader of JSON keeps 64 bits of a number.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "base/error.h"
#include "store/record.h"

namespace rig::store {

constexpr int kSchema = 1;

boost::json::object json_of(const RunRecord& run);
std::string to_json(const RunRecord& run);

// One attempt by itself: what its cell is, and the attempt. Goes into attempt.json.
std::string to_json(const CellRecord& cell, unsigned number, const Attempt& attempt);

// Blame::kInput, with the path to the wrong value: "cells[0].verdict: unknown 'passed'". Keys that
// are missing keep their defaults; unknown keys are ignored.
Result<RunRecord> parse_run(std::string_view json);

}  // namespace rig::store
