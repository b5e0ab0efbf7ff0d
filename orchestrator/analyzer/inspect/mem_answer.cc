// SPDX-License-Identifier: Apache-2.0
// `mem`: the rows of crash's kmem -i, the zones, and what they mean; -m: /proc/meminfo's rows.
#include <algorithm>
#include <boost/json.hpp>

#include "analyzer/facts/memory_facts.h"
#include "analyzer/facts/memory_size.h"
#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "analyzer/inspect/task_choice.h"
#include "base/text.h"
#include "base/text_table.h"

namespace rig::analyzer {
namespace {

std::uint64_t pages_of(const MemoryFacts& facts, std::string_view name) {
  const auto found = std::ranges::find(facts.rows, name, &MemoryRow::name);
  return found != facts.rows.end() ? found->pages : 0;
}

// Which row a row is a part of; empty: it is a whole.
std::string_view whole_of(std::string_view row) {
  if (row == "TOTAL MEM" || row == "TOTAL HUGE" || row == "TOTAL SWAP" || row == "COMMIT LIMIT") {
    return {};
  }
  if (row == "HUGE FREE") return "TOTAL HUGE";
  if (row.starts_with("SWAP")) return "TOTAL SWAP";
  return row == "COMMITTED" ? "COMMIT LIMIT" : "TOTAL MEM";
}

std::string rows(const MemoryFacts& facts) {
  TextTable table({">", ">PAGES", ">TOTAL", "<PERCENTAGE"});
  for (const MemoryRow& row : facts.rows) {
    const std::string_view whole = whole_of(row.name);
    const auto all = pages_of(facts, whole);
    const auto share = all != 0 ? row.pages * 100 / all : 0;
    table.row({row.name, std::to_string(row.pages),
               row.pages == 0 ? "0" : memory_size(row.pages * facts.page_size),
               whole.empty() ? "----" : fmt::format("{}% of {}", share, whole)});
  }
  return table.text();
}

std::string zones(const MemoryFacts& facts) {
  TextTable table({">NODE", "<ZONE", ">MANAGED", ">FREE", ">MIN", ">LOW", ">HIGH", "<STATE"});
  for (const ZoneFacts& each : facts.zones) {
    std::string state = each.verdict;
    if (each.boost != 0) state += fmt::format(" (watermarks boosted by {})", each.boost);
    table.row({std::to_string(each.node), each.name, std::to_string(each.managed),
               std::to_string(each.free), std::to_string(each.min), std::to_string(each.low),
               std::to_string(each.high), std::move(state)});
  }
  return table.empty() ? "" : "\n" + table.text();
}

std::string meminfo(const MemoryFacts& facts) {
  std::string text;
  for (const MemoryRow& row : facts.meminfo) {
    text += fmt::format("{:<16}{:>10} kB\n", row.name + ":", row.pages * facts.page_size / 1024);
  }
  return text;
}

}  // namespace

Result<Answer> answer_mem(Session& session, Arguments arguments) {
  const bool as_meminfo = arguments.size() == 1 && arguments[0] == "-m";
  if (!as_meminfo) RIG_TRY(expect_no_arguments("mem", arguments));
  RIG_ASSIGN(const MemoryFacts facts, memory_facts(session));
  std::string text = as_meminfo ? meminfo(facts) : rows(facts) + zones(facts);
  text += "\n" + facts.verdict + "\n" + note_lines(facts.problems);
  return Answer{std::move(text), boost::json::serialize(memory_json(facts))};
}

}  // namespace rig::analyzer
