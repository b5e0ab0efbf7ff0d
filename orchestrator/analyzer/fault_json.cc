// SPDX-License-Identifier: Apache-2.0
#include "analyzer/fault_json.h"

#include "analyzer/guest_json.h"
#include "analyzer/slab_json.h"

namespace rig::analyzer {
namespace {

namespace json = boost::json;

json::object step(const FaultStep& each) {
  return {{"at", location_json(each.at)},
          {"instruction", utf8(each.instruction)},
          {"register", each.reg},
          {"value", hex_or_null(each.value)},
          {"memory", hex_or_null(each.memory)},
          {"place", utf8(each.place)},
          {"confirmed", each.confirmed},
          {"words", utf8(each.words)}};
}

json::value source(const FaultFacts& facts) {
  if (!facts.source) return nullptr;
  return json::object{{"address", hex(facts.source->value)},
                      {"member", utf8(facts.source_member)},
                      {"what", utf8(facts.source->what)},
                      {"offset", static_cast<std::int64_t>(facts.source->offset)},
                      {"object", slab_object_json(facts.source->object)}};
}

}  // namespace

boost::json::object fault_json(const FaultFacts& facts) {
  json::object out{{"at", location_json(facts.at)},
                   {"instruction", utf8(facts.instruction)},
                   {"access", facts.access},
                   {"size", facts.size},
                   {"address", hex_or_null(facts.address)}};
  out["register"] = facts.reg.empty() ? json::value(nullptr) : json::value(facts.reg);
  out["value"] = facts.reg.empty() ? json::value(nullptr) : json::value(hex(facts.value));
  out["offset"] = facts.offset;
  out["member"] = utf8(facts.member);
  out["steps"] = list(facts.steps, step);
  out["source"] = source(facts);
  out["verdict"] = utf8(facts.verdict);
  return out;
}

}  // namespace rig::analyzer
