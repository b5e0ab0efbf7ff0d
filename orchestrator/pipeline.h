// SPDX-License-Identifier: Apache-2.0
// scenario -> plan -> image -> vm -> crash -> analyzer -> verdict -> store -> publish.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "layout.h"
#include "publish/live_view.h"
#include "scenario/plan.h"
#include "store/record.h"
#include "vm/vm.h"

namespace rig {

struct PipelineOptions {
  Layout layout;
  fs::path results;              // the folder that the run's own folder goes into
  std::string backend = "qemu";  // or a libvirt URI, see vm/vm.h
  std::string accelerator = "auto";
  vm::DumpFormat format = vm::DumpFormat::kKdumpZlib;
  bool refresh = false;    // asks the archive anew for the newest kernel
  bool keep_core = false;  // else only the cores of surprises are kept
  unsigned jobs = 1;       // attempts at once
  unsigned retries = 1;    // of an attempt that the rig itself failed
  std::stop_token stop = {};
};

// Runs every attempt of every cell. Errors are those that leave nothing to report on: bad input, a
// kernel that cannot be had, cancellation. A fault in an attempt is that attempt's rig-error.
Result<store::RunRecord> run_cells(const std::vector<scenario::Cell>& cells,
                                   const PipelineOptions& options, publish::LiveView& view);

}  // namespace rig
