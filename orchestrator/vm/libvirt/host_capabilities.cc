// SPDX-License-Identifier: Apache-2.0
#include "vm/libvirt/host_capabilities.h"

#include <pugixml.hpp>

namespace rig::vm::libvirt {
namespace {

// <enum name='bus'><value>virtio</value>...</enum>
std::vector<std::string> enum_values(const pugi::xml_node& parent, const char* name) {
  std::vector<std::string> values;
  const pugi::xml_node list = parent.find_child_by_attribute("enum", "name", name);
  for (const pugi::xml_node value : list.children("value")) values.emplace_back(value.text().get());
  return values;
}

bool is_supported(const pugi::xml_node& node) {
  return std::string_view(node.attribute("supported").value()) == "yes";
}

}  // namespace

std::string_view libvirt_arch(Arch arch) {
  return arch == Arch::kArm64 ? std::string_view("aarch64") : to_string(arch);
}

Result<HostCapabilities> parse_domain_capabilities(std::string_view xml) {
  pugi::xml_document document;
  const auto parsed = document.load_buffer(xml.data(), xml.size());
  const pugi::xml_node root = document.child("domainCapabilities");
  if (!parsed || !root) {
    return fail(Blame::kRig, "libvirt's domain capabilities are no such document: {}",
                parsed ? "another root" : parsed.description());
  }
  HostCapabilities host;
  host.emulator = root.child("path").text().get();
  host.machine = root.child("machine").text().get();
  host.max_cpus = root.child("vcpu").attribute("max").as_uint();
  const pugi::xml_node features = root.child("features");
  host.vmcoreinfo = is_supported(features.child("vmcoreinfo"));
  host.gic_versions = enum_values(features.child("gic"), "version");
  const pugi::xml_node devices = root.child("devices");
  host.disk_buses = enum_values(devices.child("disk"), "bus");
  host.channel_types = enum_values(devices.child("channel"), "type");
  const pugi::xml_node custom = root.child("cpu").find_child_by_attribute("mode", "name", "custom");
  for (const pugi::xml_node model : custom.children("model")) {
    if (std::string_view(model.attribute("usable").value()) != "no") {
      host.cpu_models.emplace_back(model.text().get());
    }
  }
  if (host.emulator.empty()) {
    return fail(Blame::kRig, "libvirt's domain capabilities name no emulator");
  }
  return host;
}

}  // namespace rig::vm::libvirt
