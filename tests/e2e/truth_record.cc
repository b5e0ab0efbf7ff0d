// SPDX-License-Identifier: Apache-2.0
#include "e2e/truth_record.h"

#include <cstdlib>
#include <sstream>

#include "base/text.h"

namespace rig::e2e {
namespace {

constexpr std::string_view kMark = "truth ";
constexpr std::string_view kTracesDone = "truth traces: done";

// "[    7.137405] text" -> "text"
std::string_view without_stamp(std::string_view line) {
  if (!line.starts_with('[')) return line;
  const auto end = line.find("] ");
  return end == std::string_view::npos ? line : line.substr(end + 2);
}

std::uint64_t number(const std::string& text) {
  return std::strtoull(text.c_str(), nullptr, 0);
}

// "88 (truth_sleeper) S 2 ...": the name may contain anything, so it ends at the last ')'.
void take_stat(std::string_view text, TruthRecord& record) {
  const auto open = text.find('('), close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos) return;
  std::istringstream rest{std::string(text.substr(close + 1))};
  std::vector<std::string> fields;
  for (std::string field; rest >> field;) fields.push_back(field);
  if (fields.size() < 22) return;
  RecordedTask& task = record.tasks[number(std::string(text.substr(0, open)))];
  task.comm = text.substr(open + 1, close - open - 1);
  task.state = fields[0][0];
  task.parent = number(fields[1]);
  task.vsize = number(fields[20]);
  task.rss_pages = number(fields[21]);
}

void take_switches(std::string_view text, TruthRecord& record) {
  std::istringstream words{std::string(text)};
  std::uint64_t tid = 0, voluntary = 0, other = 0;
  words >> tid >> voluntary >> other;
  record.tasks[tid].switches = voluntary + other;
}

void take_line(std::string_view name, std::string_view text, TruthRecord& record) {
  if (name == "self") {
    record.self = number(std::string(text));
  } else if (name == "stat") {
    take_stat(text, record);
  } else if (name == "switches") {
    take_switches(text, record);
  } else if (name == "fd") {
    const auto blank = text.find(' ');
    record.fds[static_cast<unsigned>(number(std::string(text.substr(0, blank))))] =
        text.substr(blank + 1);
  } else {
    record.files[std::string(name)].emplace_back(text);
  }
}

// "truth: counter=0x3dff8 text=0xffff8880061bfcc0 sleeper=88"
void take_module(std::string_view text, TruthRecord& record) {
  for (const std::string& word : split(text, ' ')) {
    const auto equals = word.find('=');
    if (equals == std::string::npos) continue;
    record.module[word.substr(0, equals)] = number(word.substr(equals + 1));
  }
}

// The lines of sysrq-t, one task after another.
class Traces {
 public:
  explicit Traces(TruthRecord& record) : record_(record) {}

  void take(std::string_view line) {
    if (line.starts_with("task:")) {
      const auto pid = line.find(" pid:");
      tid_.reset();
      if (pid == std::string_view::npos) return;
      tid_ = number(std::string(line.substr(pid + 5)));
      record_.traces[*tid_];
      return;
    }
    if (!tid_ || !line.starts_with(' ')) return;
    const std::string_view text = trim(line);
    const auto slash = text.find('/');
    if (text.starts_with('?') || text.find("+0x") == std::string_view::npos ||
        slash == std::string_view::npos || text.find(' ') < slash) {
      return;
    }
    record_.traces[*tid_].emplace_back(text.substr(0, slash));
  }

 private:
  TruthRecord& record_;
  std::optional<std::uint64_t> tid_;
};

}  // namespace

std::optional<std::uint64_t> TruthRecord::meminfo(std::string_view key) const {
  const auto lines = files.find("/proc/meminfo");
  if (lines == files.end()) return std::nullopt;
  for (const std::string& line : lines->second) {
    if (line.starts_with(key) && line[key.size()] == ':')
      return number(line.substr(key.size() + 1));
  }
  return std::nullopt;
}

TruthRecord read_truth(std::string_view log) {
  TruthRecord record;
  Traces traces(record);
  bool tracing = false;
  while (!log.empty()) {
    const auto end = std::min(log.find('\n'), log.size());
    const std::string_view line = without_stamp(log.substr(0, end));
    log.remove_prefix(std::min(end + 1, log.size()));
    if (line.starts_with("truth: ")) take_module(line, record);
    if (line.starts_with("sysrq: Show State")) tracing = true;
    if (line == kTracesDone) tracing = false;
    if (tracing) traces.take(line);
    if (!line.starts_with(kMark)) continue;
    const auto colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    take_line(line.substr(kMark.size(), colon - kMark.size()), line.substr(colon + 2), record);
  }
  return record;
}

}  // namespace rig::e2e
