// SPDX-License-Identifier: Apache-2.0
// A run's folder, while it is written and when it is read back.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "scenario/plan.h"
#include "store/record.h"

namespace rig::store {

// results/<run>/ of a run that is going on. Attempts may be opened and closed from several threads.
class RunFolder {
 public:
  // Creates results/YYYYMMDD-HHMMSS-NAME (UTC), with -2, -3 ... if that exists already. `name` is
  // the scenario's.
  static Result<RunFolder> create(
      const fs::path& results, std::string_view name,
      std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

  const std::string& run() const;
  const fs::path& path() const;

  // The folder for an attempt's console and core, created: <run>/<cell with - for />/attempt-N.
  // Attempts of a cell are numbered from 1, each is opened once. The first attempt of a scenario
  // leaves its file, as it was read, in the run's folder: scenario.yaml, then scenario-2.yaml ...
  Result<fs::path> open_attempt(const scenario::Cell& cell, unsigned number);

  // A file below path() as records name it: relative. Others stay as they are.
  std::string relative(const fs::path& file) const;

  // Writes repeat.txt and, last, attempt.json: an attempt without it was cut short. `record` needs
  // no attempts.
  Status close_attempt(const scenario::Cell& cell, const CellRecord& record, unsigned number,
                       const Attempt& attempt);

  // Writes manifest.json, which makes the run whole.
  Status finish(const RunRecord& record);

 private:
  struct State;
  explicit RunFolder(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// The record of a whole run. Blame::kInput when the folder has no manifest (the run was cut short)
// or one that cannot be understood.
Result<RunRecord> read_run(const fs::path& folder);

struct RunInfo {
  std::string run;
  fs::path path;
  bool complete = false;
};

// The runs of a results folder, oldest first. A missing folder has none.
std::vector<RunInfo> list_runs(const fs::path& results);

}  // namespace rig::store
