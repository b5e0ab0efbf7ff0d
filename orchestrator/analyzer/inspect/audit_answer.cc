// SPDX-License-Identifier: Apache-2.0
// `audit`: what in the slab caches cannot be.
#include <boost/json.hpp>

#include <set>

#include "analyzer/inspect/answers.h"
#include "analyzer/slab_json.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

std::string track_lines(std::string_view verb, const std::optional<ObjectTrack>& track) {
  if (!track) return {};
  std::string text = fmt::format("    {}", verb);
  if (track->caller) text += " by " + printable(to_string(*track->caller));
  if (track->cpu) text += fmt::format(" on CPU {}", *track->cpu);
  if (track->pid) text += fmt::format(", PID {}", *track->pid);
  if (track->seconds_ago) text += fmt::format(", {:.3f} s before", *track->seconds_ago);
  text += fmt::format(" ({})\n", track->source);
  for (const CodeLocation& at : track->stack)
    text += fmt::format("      {}\n", printable(to_string(at)));
  return text;
}

std::string corruption_lines(const SlabCorruption& each) {
  std::string text = fmt::format("{}\n  {}\n", to_string(each.kind), printable(each.summary));
  text += fmt::format("    slab {}", each.slab);
  if (each.object) text += fmt::format(", object {} of {} bytes", *each.object, each.object_size);
  if (!each.where.empty()) text += fmt::format(", {}", printable(each.where));
  text += '\n';
  if (!each.expected.empty()) text += fmt::format("    expected {}\n", hex_bytes(each.expected));
  if (!each.found.empty()) text += fmt::format("    found    {}\n", hex_bytes(each.found));
  return text + track_lines("allocated", each.alloc) + track_lines("freed", each.free);
}

std::string verdict(const SlabFacts& facts) {
  if (!facts.audited) return "the slab caches could not be audited\n";
  std::uint64_t slabs = 0, objects = 0;
  for (const SlabCacheFacts& each : facts.caches) {
    slabs += each.slabs;
    objects += each.total;
  }
  std::set<std::string_view> caches;
  for (const SlabCorruption& each : facts.corruptions) caches.insert(each.cache);
  const std::string looked =
      fmt::format("{} caches, {} slabs, {} objects", facts.caches.size(), slabs, objects);
  if (facts.corruptions.empty()) return fmt::format("no corruption: {}\n", looked);
  return fmt::format("{} corruption{} in {} cache{}: {}\n", facts.corruptions.size(),
                     facts.corruptions.size() == 1 ? "" : "s", caches.size(),
                     caches.size() == 1 ? "" : "s", looked);
}

}  // namespace

Result<Answer> answer_audit(Session& session, Arguments arguments) {
  RIG_TRY(expect_no_arguments("audit", arguments));
  const SlabFacts& facts = session.slab();
  std::string text;
  for (const SlabCorruption& each : facts.corruptions) {
    text += corruption_lines(each) + "\n";
  }
  for (const std::string& each : facts.unwalked) {
    text += fmt::format("not walked: {}\n", printable(each));
  }
  text += verdict(facts);
  return Answer{std::move(text), boost::json::serialize(slab_json(facts))};
}

}  // namespace rig::analyzer
