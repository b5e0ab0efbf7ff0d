// SPDX-License-Identifier: Apache-2.0
// `slab`: the caches, the slabs of one, or the object at an address.
#include <algorithm>
#include <boost/json.hpp>

#include "analyzer/facts/heap.h"
#include "analyzer/guest_json.h"
#include "analyzer/inspect/answers.h"
#include "analyzer/inspect/options.h"
#include "analyzer/inspect/place.h"
#include "analyzer/inspect/task_choice.h"
#include "analyzer/slab_json.h"
#include "base/text.h"
#include "base/text_table.h"

namespace rig::analyzer {
namespace {

constexpr OptionSpec kSlab{"slab", "s", "", "[-s] [CACHE | ADDR]"};

// The columns of crash's kmem -s, and what slub_debug does.
TextTable cache_table() {
  return TextTable(
      {"<CACHE", ">OBJSIZE", ">ALLOCATED", ">TOTAL", ">SLABS", ">SSIZE", "<NAME", "<DEBUG"});
}

void add_row(TextTable& table, const SlabCacheFacts& each, std::uint64_t page_size) {
  table.row({fmt::format("{:x}", raw(each.at)), std::to_string(each.object_size),
             std::to_string(each.allocated), std::to_string(each.total), std::to_string(each.slabs),
             fmt::format("{}k", each.pages_per_slab * page_size / 1024), each.name,
             fmt::format("{}", fmt::join(each.debug, ","))});
}

Answer all_caches(Session& session, std::uint64_t page_size) {
  const SlabFacts& facts = session.slab();
  TextTable table = cache_table();
  std::uint64_t bytes = 0;
  for (const SlabCacheFacts& each : facts.caches) {
    add_row(table, each, page_size);
    bytes += each.slabs * each.pages_per_slab * page_size;
  }
  std::string text = facts.caches.empty() ? "" : table.text();
  text += note_lines(facts.unwalked);
  if (!facts.corruptions.empty()) {
    text += fmt::format("{} corruption{}: see the question `audit`\n", facts.corruptions.size(),
                        facts.corruptions.size() == 1 ? "" : "s");
  }
  text += fmt::format("{} caches, {}\n", facts.caches.size(), human_bytes(bytes));
  const boost::json::object json{{"caches", list(facts.caches, slab_cache_json)}};
  return {std::move(text), boost::json::serialize(json)};
}

Result<Answer> one_cache(Session& session, const std::string& name, std::uint64_t page_size) {
  RIG_ASSIGN(const CacheSlabs found, slabs_of(session, name));
  TextTable head = cache_table();
  add_row(head, found.facts, page_size);
  TextTable table({"<SLAB", "<PAGE", "<WHERE", ">OBJECTS", ">USED", ">FREE", "<"});
  boost::json::array slabs;
  for (const CacheSlab& each : found.slabs) {
    const auto used = each.objects - std::min(each.free, each.objects);
    table.row({fmt::format("{:x}", raw(each.begin)), fmt::format("{:x}", raw(each.page)),
               each.owner, std::to_string(each.objects), std::to_string(used),
               std::to_string(each.free), each.broken});
    slabs.push_back({{"slab", hex(each.begin)},
                     {"page", hex(each.page)},
                     {"where", each.owner},
                     {"objects", each.objects},
                     {"used", used},
                     {"free", each.free},
                     {"broken", utf8(each.broken)}});
  }
  boost::json::object json = slab_cache_json(found.facts);
  json["slab_list"] = std::move(slabs);
  return Answer{head.text() + (table.empty() ? "" : "\n" + table.text()),
                boost::json::serialize(json)};
}

Result<Answer> one_object(Session& session, const Kernel& kernel, VirtAddr address) {
  SlabReader reader(kernel, session.arch(), static_cast<unsigned>(session.core().cpus().size()));
  std::string why;
  const auto hit = reader.find(address, &why);
  if (!hit) {
    return fail(Blame::kInput, "slab: {} is in no object of a slab{}{}", address,
                why.empty() ? "" : ": ", why);
  }
  const SlabObject& object = hit->object;
  const std::string_view state = !object.allocated   ? "allocated or free is not known"
                                 : *object.allocated ? "allocated"
                                                     : "free";
  std::string text = fmt::format("{} {} object {} of {} bytes, slot {} of slab {}\n  {}: {}\n",
                                 hit->offset < 0 ? "in the red zone before the" : "the",
                                 printable(object.cache), object.address, object.object_size,
                                 object.slot, object.slab, state, printable(object.evidence));
  for (const SlabCorruption& each : session.slab().corruptions) {
    if (each.object == object.address) text += fmt::format("  {}\n", printable(each.summary));
  }
  const boost::json::object json{{"address", hex(address)},
                                 {"object", hex(object.address)},
                                 {"offset", hit->offset},
                                 {"cache", utf8(object.cache)},
                                 {"object_size", object.object_size},
                                 {"slot", object.slot},
                                 {"slab", hex(object.slab)},
                                 {"allocated", or_null(object.allocated)},
                                 {"evidence", utf8(object.evidence)}};
  return Answer{std::move(text), boost::json::serialize(json)};
}

}  // namespace

Result<Answer> answer_slab(Session& session, Arguments arguments) {
  RIG_ASSIGN(const GivenOptions options, parse_options(kSlab, arguments));
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  const auto page_size = session.arch().layout(*kernel).page_size;
  if (options.words.size() > 1) return misused(kSlab, "one cache or address at a time");
  if (options.words.empty()) return all_caches(session, page_size);
  const std::string& word = options.words[0];
  if (const auto number = parse_number(word); number && (*number >> 63) != 0) {
    return one_object(session, *kernel, VirtAddr{*number});
  }
  return one_cache(session, word, page_size);
}

}  // namespace rig::analyzer
