// SPDX-License-Identifier: Apache-2.0
// `who`: what a slab object is used for, and whose it was, by what it holds.
#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "analyzer/facts/heap.h"
#include "analyzer/facts/provenance.h"
#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "analyzer/inspect/options.h"
#include "analyzer/inspect/place.h"
#include "analyzer/provenance_json.h"
#include "base/text.h"
#include "base/text_table.h"

namespace rig::analyzer {
namespace {

constexpr OptionSpec kWho{"who", "", "n", "ADDR|SYMBOL ... | -n COUNT CACHE"};
constexpr std::int64_t kMostOfCache = 100'000;

std::string title(const TypeGuess& guess) {
  const std::string module = guess.module.empty() ? "" : fmt::format(" [{}]", guess.module);
  return printable(
      fmt::format("{}{}, {} bytes: {:.1f} bits", guess.type, module, guess.size, guess.score));
}

std::string guess_text(const TypeGuess& guess) {
  TextTable table({">OFFSET", ">BITS", "<MEMBER", "<WHAT IS THERE"});
  for (const TypeEvidence& each : guess.evidence) {
    table.row({fmt::format("{:#x}", each.offset), fmt::format("{:+.1f}", each.weight), each.member,
               each.what});
  }
  return fmt::format("\n{}\n{}", title(guess), table.text("  "));
}

std::string text_of(const ProvenanceFacts& facts) {
  std::string text =
      fmt::format("{} in {}, {} bytes\n", facts.object, printable(facts.cache), facts.object_size);
  text += fmt::format("{}\n", printable(facts.verdict));
  if (facts.offset && !facts.member.empty()) {
    text += fmt::format("{:#x} in it: {}\n", *facts.offset, printable(facts.member));
  }
  for (const TypeGuess& each : facts.guesses) text += guess_text(each);
  return text;
}

// What is said of so many objects of a cache that are in use, evenly over its slabs.
struct Census {
  struct Row {
    std::string type, module;
    std::uint64_t count = 0;
    VirtAddr example{};
  };
  std::map<std::string, Row> named;  // of what is certain
  std::uint64_t looked_at = 0, silent = 0, unproven = 0;
};

void count(Census& census, const ProvenanceFacts& facts) {
  ++census.looked_at;
  if (facts.guesses.empty()) {
    ++census.silent;
  } else if (!facts.certain) {
    ++census.unproven;
  } else {
    const TypeGuess& best = facts.guesses.front();
    Census::Row& row = census.named[best.type + best.module];
    if (row.count++ == 0) row = {best.type, best.module, 1, facts.object};
  }
}

Result<Answer> answer_census(Session& session, Identifier& identifier, const std::string& cache,
                             std::uint64_t wanted) {
  RIG_ASSIGN(const CacheSlabs slabs, slabs_of(session, cache));
  Census census;
  std::uint64_t objects = 0, at = 0;
  for (const CacheSlab& each : slabs.slabs) objects += each.objects;
  const std::uint64_t step =
      std::max<std::uint64_t>(objects / std::max<std::uint64_t>(wanted, 1), 1);
  for (const CacheSlab& slab : slabs.slabs) {
    for (std::uint64_t i = 0; i < slab.objects; ++i) {
      if (at++ % step != 0 || census.looked_at == wanted) continue;
      const auto facts = identifier.identify(slab.begin + i * slabs.facts.size);
      if (facts && !facts->former) count(census, facts->facts);
    }
  }
  TextTable table({">OBJECTS", "<TYPE", "<FOR EXAMPLE"});
  boost::json::array types;
  for (const auto& [name, row] : census.named) {
    const std::string module = row.module.empty() ? "" : fmt::format(" [{}]", row.module);
    table.row({std::to_string(row.count), row.type + module, fmt::format("{}", row.example)});
    types.push_back({{"type", utf8(row.type)}, {"module", utf8(row.module)}, {"count", row.count}});
  }
  Answer answer;
  answer.text = fmt::format(
      "{}: {} objects in use: {} named, {} not proven, {} with nothing to tell\n{}",
      printable(cache), census.looked_at, census.looked_at - census.unproven - census.silent,
      census.unproven, census.silent, census.named.empty() ? "" : table.text("  "));
  answer.json = boost::json::serialize(boost::json::object{{"cache", utf8(cache)},
                                                           {"objects", census.looked_at},
                                                           {"unproven", census.unproven},
                                                           {"silent", census.silent},
                                                           {"types", std::move(types)}});
  return answer;
}

}  // namespace

Result<Answer> answer_who(Session& session, Arguments arguments) {
  RIG_ASSIGN(const GivenOptions options, parse_options(kWho, arguments));
  if (options.words.empty()) return misused(kWho, "no address");
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  RIG_ASSIGN(Identifier identifier, Identifier::open(session));
  if (const auto number = options.value('n')) {
    RIG_ASSIGN(const std::int64_t wanted, parse_count(kWho, *number));
    if (wanted <= 0 || wanted > kMostOfCache) return misused(kWho, "no such number of objects");
    if (options.words.size() != 1) return misused(kWho, "-n is for one cache");
    return answer_census(session, identifier, options.words[0], static_cast<std::uint64_t>(wanted));
  }
  Answer answer;
  boost::json::array all;
  for (const std::string& word : options.words) {
    RIG_ASSIGN(const VirtAddr address, parse_place(*kernel, word));
    const auto facts = identifier.identify(address);
    if (!facts) {
      Whatis* whatis = session.whatis();
      return fail_hint(Blame::kInput, "only slab objects have an owner to be told by their content",
                       "who: {} lies in no slab object: {}", address,
                       whatis ? whatis->ask(address).words : "nothing is known about it");
    }
    answer.text += (answer.text.empty() ? "" : "\n") + text_of(facts->facts);
    auto json = provenance_json(facts->facts);
    json["now"] = utf8(facts->now);
    json["former"] = facts->former;
    all.push_back(std::move(json));
  }
  answer.json = boost::json::serialize(all);
  return answer;
}

}  // namespace rig::analyzer
