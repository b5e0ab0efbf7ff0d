// SPDX-License-Identifier: Apache-2.0
// `whatis ADDRESS`: what an address is, with all that is known about it.
#include <algorithm>
#include <boost/json.hpp>

#include "analyzer/address_json.h"
#include "analyzer/facts/address.h"
#include "analyzer/inspect/answers.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

std::string track_lines(std::string_view verb, const ObjectTrack& track, std::size_t width) {
  std::string text = track.caller ? "by " + to_string(*track.caller) : std::string("by someone");
  if (track.cpu) text += fmt::format(" on CPU {}", *track.cpu);
  if (track.pid) text += fmt::format(", PID {}", *track.pid);
  if (track.seconds_ago) text += fmt::format(", {:.3f} s before the stop", *track.seconds_ago);
  std::string lines =
      fmt::format("  {:<{}}  {} ({})\n", verb, width, printable(text), track.source);
  for (const CodeLocation& at : track.stack) {
    lines += fmt::format("  {:<{}}    {}\n", "", width, printable(to_string(at)));
  }
  return lines;
}

Answer answer_of(const AddressFacts& facts) {
  std::string text = fmt::format("{:x}: {}\n", raw(facts.address), printable(facts.words));
  std::size_t width = std::string_view("allocated").size();
  for (const AddressDetail& each : facts.details) width = std::max(width, each.name.size());
  for (const AddressDetail& each : facts.details) {
    text += fmt::format("  {:<{}}  {}\n", printable(each.name), width, printable(each.words));
  }
  if (const auto& object = facts.object) {
    if (object->allocated_by) text += track_lines("allocated", *object->allocated_by, width);
    if (object->freed_by) text += track_lines("freed", *object->freed_by, width);
  }
  return {std::move(text), boost::json::serialize(address_json(facts))};
}

}  // namespace

Result<Answer> answer_address(Session& session, VirtAddr address) {
  RIG_ASSIGN(const AddressFacts facts, explain_address(session, address));
  return answer_of(facts);
}

Result<Answer> answer_physical(Session& session, PhysAddr address) {
  RIG_ASSIGN(const AddressFacts facts, explain_physical(session, address));
  return answer_of(facts);
}

}  // namespace rig::analyzer
