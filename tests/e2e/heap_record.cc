// SPDX-License-Identifier: Apache-2.0
#include "e2e/heap_record.h"

#include <boost/json/parse.hpp>

#include "base/text.h"

namespace rig::e2e {

std::vector<PlantedFault> read_planted(std::string_view log) {
  constexpr std::string_view kMark = "heap_faults: {";
  std::vector<PlantedFault> all;
  for (const std::string& line : split(log, '\n')) {
    const auto at = line.find(kMark);
    if (at == std::string::npos) continue;
    boost::system::error_code error;
    const auto value = boost::json::parse(line.substr(at + kMark.size() - 1), error);
    if (error) continue;  // the test misses it by name
    const auto text = [&](const char* key) { return std::string(value.at(key).as_string()); };
    const auto number = [&](const char* key) { return value.at(key).to_number<std::uint64_t>(); };
    all.push_back({text("fault"), text("cache"), text("slab"), text("object"),
                   value.at("offset").to_number<std::int64_t>(), text("bytes"), text("pointer"),
                   text("alloc"), text("free"), number("pid"), number("allocated")});
  }
  return all;
}

}  // namespace rig::e2e
