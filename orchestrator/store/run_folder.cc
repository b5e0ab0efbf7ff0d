// SPDX-License-Identifier: Apache-2.0
#include "store/run_folder.h"

#include <algorithm>
#include <ctime>
#include <map>
#include <mutex>
#include <set>

#include "store/record_json.h"
#include "store/repeat_text.h"

namespace rig::store {

namespace {

constexpr const char* kManifest = "manifest.json";
constexpr std::size_t kMaxManifestBytes = 256u << 20;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// A name as part of a path: '/' and all that is unusual become '-'.
std::string as_file_name(std::string_view name) {
  std::string out(name);
  std::replace_if(
      out.begin(), out.end(),
      [](char c) {
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        return !is_letter && !is_digit(c) && std::string_view("._+@-").find(c) == std::string::npos;
      },
      '-');
  if (out.empty()) return "_";
  if (out.front() == '.') out.front() = '_';
  return out.substr(0, 200);
}

std::string timestamp(std::chrono::system_clock::time_point now) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}{:02}{:02}-{:02}{:02}{:02}", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

// "20261121-083012-late-completion"
bool is_run_name(std::string_view name) {
  return name.size() > 16 && std::all_of(name.begin(), name.begin() + 8, is_digit) &&
         name[8] == '-' && std::all_of(name.begin() + 9, name.begin() + 15, is_digit) &&
         name[15] == '-';
}

}  // namespace

struct RunFolder::State {
  std::string run;
  fs::path path;
  std::mutex mutex;
  std::map<std::string, std::string> folders;  // of cells, by the cell's name
  std::set<std::string> taken;                 // folder names
  std::map<fs::path, std::string> scenarios;   // names of the copies, by the scenario's file

  // Two cells whose names differ only in '/' and '-' get different folders.
  std::string folder_of(const std::string& cell) {
    const std::lock_guard lock(mutex);
    if (const auto found = folders.find(cell); found != folders.end()) return found->second;
    const std::string base = as_file_name(cell);
    std::string name = base;
    for (unsigned i = 2; !taken.insert(name).second; ++i) name = fmt::format("{}+{}", base, i);
    return folders[cell] = name;
  }

  // The name of the scenario's copy; empty when its text is not known.
  Result<std::string> copy_scenario(const scenario::Scenario& scenario) {
    const std::lock_guard lock(mutex);
    if (scenario.text.empty()) return std::string();
    const auto known = scenarios.find(scenario.file);
    if (known != scenarios.end()) return known->second;
    const std::string name =
        scenarios.empty() ? "scenario.yaml" : fmt::format("scenario-{}.yaml", scenarios.size() + 1);
    RIG_TRY(write_file_atomically(path / name, scenario.text));
    return scenarios[scenario.file] = name;
  }

  fs::path attempt(const scenario::Cell& cell, unsigned number) {
    return path / folder_of(cell.name()) / fmt::format("attempt-{}", number);
  }
};

Result<RunFolder> RunFolder::create(const fs::path& results, std::string_view name,
                                    std::chrono::system_clock::time_point now) {
  std::error_code error;
  fs::create_directories(results, error);
  if (error) {
    return fail(Blame::kRig, "cannot create {}: {}", results.string(), error.message());
  }
  const std::string base = fmt::format("{}-{}", timestamp(now), as_file_name(name));
  constexpr unsigned kMaxRunsPerSecond = 1000;
  for (unsigned i = 1; i <= kMaxRunsPerSecond; ++i) {
    const std::string run = i == 1 ? base : fmt::format("{}-{}", base, i);
    if (fs::create_directory(results / run, error)) {
      auto state = std::make_shared<State>();
      state->run = run;
      state->path = results / run;
      return RunFolder(std::move(state));
    }
    if (error) {
      return fail(Blame::kRig, "cannot create {}: {}", (results / run).string(), error.message());
    }
  }
  return fail(Blame::kRig, "{} holds too many runs of one second", results.string());
}

const std::string& RunFolder::run() const {
  return state_->run;
}
const fs::path& RunFolder::path() const {
  return state_->path;
}

Result<fs::path> RunFolder::open_attempt(const scenario::Cell& cell, unsigned number) {
  const fs::path folder = state_->attempt(cell, number);
  RIG_TRY(state_->copy_scenario(*cell.scenario));
  std::error_code error;
  fs::create_directories(folder.parent_path(), error);
  if (!error && fs::create_directory(folder, error)) return folder;
  return fail(Blame::kRig, "cannot create {}: {}", folder.string(),
              error ? error.message() : "it exists already");
}

std::string RunFolder::relative(const fs::path& file) const {
  const fs::path relative = file.lexically_relative(state_->path);
  const bool is_below = !relative.empty() && *relative.begin() != "..";
  return is_below ? relative.string() : file.string();
}

Status RunFolder::close_attempt(const scenario::Cell& cell, const CellRecord& record,
                                unsigned number, const Attempt& attempt) {
  const fs::path folder = state_->attempt(cell, number);
  RIG_ASSIGN(const std::string name, state_->copy_scenario(*cell.scenario));
  const std::string copy = name.empty() ? "" : "../../" + name;
  RIG_TRY(write_file_atomically(folder / "repeat.txt",
                                repeat_text(cell, record, number, attempt, copy)));
  return write_file_atomically(folder / "attempt.json", to_json(record, number, attempt));
}

Status RunFolder::finish(const RunRecord& record) {
  return write_file_atomically(state_->path / kManifest, to_json(record));
}

Result<RunRecord> read_run(const fs::path& folder) {
  const fs::path manifest = folder / kManifest;
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return fail(Blame::kInput, "{} is not a run's folder", folder.string());
  }
  if (!fs::exists(manifest, error)) {
    return fail_hint(Blame::kInput, "the attempts that ended have an attempt.json each",
                     "{} has no {}: the run was cut short", folder.string(), kManifest);
  }
  RIG_ASSIGN(const std::string text, read_file(manifest, kMaxManifestBytes));
  auto run = parse_run(text);
  if (!run) return wrap(manifest.string(), std::move(run).error());
  return run;
}

std::vector<RunInfo> list_runs(const fs::path& results) {
  std::vector<RunInfo> runs;
  std::error_code error;
  for (fs::directory_iterator it(results, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (!is_run_name(name) || !it->is_directory(ignored)) continue;
    runs.push_back({name, it->path(), fs::exists(it->path() / kManifest, ignored)});
  }
  std::sort(runs.begin(), runs.end(),
            [](const RunInfo& a, const RunInfo& b) { return a.run < b.run; });
  return runs;
}

}  // namespace rig::store
