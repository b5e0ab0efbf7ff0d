// SPDX-License-Identifier: Apache-2.0
#include "analyzer/address_json.h"

#include "analyzer/guest_json.h"
#include "analyzer/slab_json.h"

namespace rig::analyzer {

namespace json = boost::json;

json::object address_json(const AddressFacts& facts) {
  json::object details;
  for (const AddressDetail& each : facts.details) details[utf8(each.name)] = utf8(each.words);
  json::value object, alloc, free;
  if (facts.object) {
    alloc = track_json(facts.object->allocated_by);
    free = track_json(facts.object->freed_by);
    object = json::object{
        {"address", hex(facts.object->address)},    {"cache", utf8(facts.object->cache)},
        {"object_size", facts.object->object_size}, {"slot", facts.object->slot},
        {"slab", hex(facts.object->slab)},          {"allocated", or_null(facts.object->allocated)},
        {"evidence", utf8(facts.object->evidence)}, {"offset", facts.offset}};
  }
  return {{"address", hex(facts.address)},    {"kind", facts.kind},
          {"words", utf8(facts.words)},       {"known", facts.known},
          {"details", std::move(details)},    {"object", std::move(object)},
          {"allocated_by", std::move(alloc)}, {"freed_by", std::move(free)}};
}

}  // namespace rig::analyzer
