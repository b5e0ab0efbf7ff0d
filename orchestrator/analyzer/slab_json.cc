// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab_json.h"

#include "analyzer/guest_json.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

boost::json::array texts(const std::vector<std::string>& all) {
  return list(all, [](const std::string& each) { return boost::json::value(utf8(each)); });
}

}  // namespace

boost::json::value slab_object_json(const std::optional<SlabObject>& facts) {
  if (!facts) return nullptr;
  return boost::json::object{{"address", hex(facts->address)},
                             {"cache", utf8(facts->cache)},
                             {"object_size", facts->object_size},
                             {"slot", facts->slot},
                             {"slab", hex(facts->slab)},
                             {"allocated", or_null(facts->allocated)},
                             {"evidence", utf8(facts->evidence)},
                             {"allocated_by", track_json(facts->allocated_by)},
                             {"freed_by", track_json(facts->freed_by)},
                             {"content", hex(ByteView(facts->content))}};
}

boost::json::value track_json(const std::optional<ObjectTrack>& track) {
  if (!track) return nullptr;
  return boost::json::object{
      {"source", track->source},
      {"caller", location_json(track->caller)},
      {"stack", list(track->stack, [](const CodeLocation& at) { return location_json(at); })},
      {"cpu", or_null(track->cpu)},
      {"pid", or_null(track->pid)},
      {"seconds_ago", or_null(track->seconds_ago)}};
}

boost::json::object slab_cache_json(const SlabCacheFacts& facts) {
  return {{"name", utf8(facts.name)},
          {"at", hex(facts.at)},
          {"object_size", facts.object_size},
          {"size", facts.size},
          {"allocated", facts.allocated},
          {"total", facts.total},
          {"slabs", facts.slabs},
          {"pages_per_slab", facts.pages_per_slab},
          {"debug", texts(facts.debug)}};
}

boost::json::object corruption_json(const SlabCorruption& facts) {
  return {{"kind", to_string(facts.kind)},
          {"cache", utf8(facts.cache)},
          {"slab", hex(facts.slab)},
          {"object", hex_or_null(facts.object)},
          {"object_size", facts.object_size},
          {"offset", facts.offset},
          {"expected", hex_bytes(facts.expected)},
          {"found", hex_bytes(facts.found)},
          {"pointer", hex_or_null(facts.pointer)},
          {"wrong_byte", or_null(facts.wrong_byte)},
          {"allocated", or_null(facts.allocated)},
          {"where", utf8(facts.where)},
          {"summary", utf8(facts.summary)},
          {"alloc", track_json(facts.alloc)},
          {"free", track_json(facts.free)}};
}

boost::json::object slab_json(const SlabFacts& facts) {
  return {{"audited", facts.audited},
          {"caches", list(facts.caches, slab_cache_json)},
          {"corruptions", list(facts.corruptions, corruption_json)},
          {"unwalked", texts(facts.unwalked)}};
}

}  // namespace rig::analyzer
