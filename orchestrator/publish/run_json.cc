// SPDX-License-Identifier: Apache-2.0
#include "publish/run_json.h"

#include <boost/json.hpp>

#include "base/text.h"
#include "publish/ladder.h"
#include "store/record_json.h"

namespace rig::publish {

namespace json = boost::json;

namespace {

template <typename T>
json::value or_null(const std::optional<T>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(printable(text));
}

json::object write(const Rung& rung) {
  return {{"kernel", printable(rung.kernel)},    {"detector", printable(rung.detector)},
          {"attempts", rung.attempts},           {"caught", rung.caught},
          {"report", text_or_null(rung.report)}, {"function", text_or_null(rung.function)},
          {"named", to_string(rung.named)},      {"evidence", text_or_null(rung.evidence)},
          {"seconds", or_null(rung.seconds)},    {"work", or_null(rung.work)},
          {"speed", or_null(rung.speed)}};
}

json::array write(const std::vector<Ladder>& ladders) {
  json::array all;
  for (const Ladder& ladder : ladders) {
    json::array rungs;
    for (const Rung& rung : ladder.rungs) rungs.push_back(write(rung));
    all.push_back(json::object{{"scenario", printable(ladder.scenario)},
                               {"arch", printable(ladder.arch)},
                               {"variant", printable(ladder.variant)},
                               {"rungs", std::move(rungs)}});
  }
  return all;
}

}  // namespace

std::string run_json(const store::RunRecord& run, const fs::path& folder) {
  store::RunRecord placed = run;
  for (store::CellRecord& cell : placed.cells) {
    for (store::Attempt& attempt : cell.attempts) {
      for (std::string* path : {&attempt.core, &attempt.console, &attempt.findings}) {
        if (!path->empty()) *path = (folder / *path).string();
      }
    }
  }
  json::object document = store::json_of(placed);
  document["ladders"] = write(ladders(run));
  return json::serialize(document);
}

}  // namespace rig::publish
