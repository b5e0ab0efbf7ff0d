// SPDX-License-Identifier: Apache-2.0
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>

#include "vm/qemu/capabilities.h"

namespace rig::vm::qemu {
namespace json = boost::json;
namespace {

constexpr std::int64_t kFormat = 1;  // raise it when the members change

using Texts = std::vector<std::string>;

Capabilities read(const json::object& root) {
  Capabilities all;
  all.binary = json::value_to<std::string>(root.at("binary"));
  all.version = json::value_to<std::string>(root.at("version"));
  all.cpus = json::value_to<std::map<std::string, std::string>>(root.at("cpus"));
  all.machine = json::value_to<std::string>(root.at("machine"));
  all.max_cpus = json::value_to<unsigned>(root.at("max_cpus"));
  all.machine_options = json::value_to<Texts>(root.at("machine_options"));
  all.devices = json::value_to<Texts>(root.at("devices"));
  all.absent_features = json::value_to<Texts>(root.at("absent_features"));
  for (const auto& [type, names] : root.at("properties").as_object()) {
    all.properties[type] =
        names.is_null() ? std::nullopt : std::optional(json::value_to<Texts>(names));
  }
  return all;
}

}  // namespace

std::string to_json(const Capabilities& all, std::string_view identity) {
  json::object properties;
  for (const auto& [type, names] : all.properties) {
    properties[type] = names ? json::value_from(*names) : json::value();
  }
  return json::serialize(json::object{{"format", kFormat},
                                      {"identity", identity},
                                      {"binary", all.binary},
                                      {"version", all.version},
                                      {"cpus", json::value_from(all.cpus)},
                                      {"machine", all.machine},
                                      {"max_cpus", all.max_cpus},
                                      {"machine_options", json::value_from(all.machine_options)},
                                      {"devices", json::value_from(all.devices)},
                                      {"absent_features", json::value_from(all.absent_features)},
                                      {"properties", std::move(properties)}}) +
         "\n";
}

std::optional<Capabilities> capabilities_from_json(std::string_view text,
                                                   std::string_view identity) {
  try {
    const json::value root = json::parse(text);
    const json::object& object = root.as_object();
    if (object.at("format").as_int64() != kFormat) return std::nullopt;
    if (object.at("identity").as_string() != identity) return std::nullopt;
    return read(object);
  } catch (const std::exception&) {
    return std::nullopt;  // damaged: asked anew, written anew
  }
}

}  // namespace rig::vm::qemu
