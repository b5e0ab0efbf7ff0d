// SPDX-License-Identifier: Apache-2.0
// The vmalloc area and that of modules: which allocation, by whom. Format: include/linux/vmalloc.h,
// mm/vmalloc.c.
#include <algorithm>

#include "analyzer/facts/address.h"
#include "analyzer/facts/guest_walks.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxVmapNodes = 4096;

struct Flag {
  std::uint64_t bit;
  std::string_view name;
};

// Constants, the same since v5.3 and earlier: VM_... of include/linux/vmalloc.h.
constexpr Flag kFlags[] = {
    {0x1, "ioremap"},         {0x2, "alloc"},         {0x4, "map"},
    {0x8, "usermap"},         {0x10, "dma-coherent"}, {0x20, "uninitialized"},
    {0x40, "no-guard"},       {0x80, "kasan"},        {0x100, "flush-reset-perms"},
    {0x200, "map-put-pages"}, {0x400, "allow-huge"}};

std::string flag_words(std::uint64_t flags) {
  std::string words;
  for (const Flag& each : kFlags) {
    if ((flags & each.bit) == 0) continue;
    words += (words.empty() ? "" : ",") + std::string(each.name);
    flags &= ~each.bit;
  }
  if (flags != 0) words += fmt::format("{}{:#x}", words.empty() ? "" : ",", flags);
  return words;
}

// One list for all until d093602919ad (v6.9), then one for each vmap_node.
std::vector<VirtAddr> list_heads(const Inquiry& inquiry) {
  const Kernel& kernel = inquiry.kernel;
  if (const auto list = kernel.symbol("vmap_area_list")) return {*list};
  const auto nodes = kernel.variable("vmap_nodes");
  const auto count = kernel.variable<std::uint32_t>("nr_vmap_nodes");
  const auto size = kernel.types() ? kernel.types()->size_of("vmap_node") : std::nullopt;
  const auto head = inquiry.fields.member("vmap_node.busy.head");
  if (!nodes || !count || !size || !head) return {};
  std::vector<VirtAddr> heads;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(*count, kMaxVmapNodes); ++i) {
    heads.push_back(VirtAddr{*nodes} + i * *size + head->offset);
  }
  return heads;
}

// The struct vmap_area around the address. `broken`: why not all of them could be looked at.
std::optional<VirtAddr> find_area(const Inquiry& inquiry, std::string& broken) {
  const FieldReader& fields = inquiry.fields;
  const auto link = fields.member("vmap_area.list");
  const auto heads = list_heads(inquiry);
  if (!link || heads.empty()) {
    broken = "this kernel does not say where its list of areas is";
    return std::nullopt;
  }
  std::optional<VirtAddr> found;
  for (const VirtAddr head : heads) {
    const auto why = walk_list(fields.kernel().memory(), head, link->offset, [&](VirtAddr area) {
      const auto begin = fields.value(area, "vmap_area.va_start");
      const auto end = fields.value(area, "vmap_area.va_end");
      if (begin && end && raw(inquiry.address) - *begin < *end - *begin) found = area;
    });
    if (!why.empty()) broken = fmt::format("the list of areas is broken: {}", why);
    if (found) break;
  }
  return found;
}

void describe_vm(const Inquiry& inquiry, VirtAddr vm, AddressFacts& facts) {
  const FieldReader& fields = inquiry.fields;
  const auto caller = fields.pointer(vm, "vm_struct.caller");
  const auto code = caller ? inquiry.kernel.code(*caller) : std::nullopt;
  if (code) facts.words += fmt::format(", made by {}", to_string(*code));
  add_detail(facts, "flags", flag_words(fields.value(vm, "vm_struct.flags").value_or(0)));
  if (const auto pages = fields.value(vm, "vm_struct.nr_pages"); pages && *pages != 0) {
    const auto order = fields.value(vm, "vm_struct.page_order").value_or(0);
    add_detail(facts, "pages",
               order == 0 ? std::to_string(*pages)
                          : fmt::format("{}, in huge pages of order {}", *pages, order));
  }
  if (const auto device = fields.value(vm, "vm_struct.phys_addr"); device && *device != 0) {
    add_detail(facts, "device memory", fmt::format("{:#x}", *device));
  }
  const auto end = fields.value(vm, "vm_struct.size").value_or(0);
  const auto begin = fields.value(vm, "vm_struct.addr").value_or(0);
  constexpr std::uint64_t kNoGuard = 0x40;
  const bool guarded = (fields.value(vm, "vm_struct.flags").value_or(0) & kNoGuard) == 0;
  if (guarded && end != 0 && raw(inquiry.address) - begin >= end - inquiry.layout.page_size) {
    facts.words += ", in its guard page";
  }
  add_detail(facts, "vm_struct", fmt::format("{}", vm));
}

}  // namespace

std::optional<AddressFacts> address_in_vmalloc(Inquiry& inquiry) {
  const std::string& where = inquiry.region.words;
  const bool modules = where.find("modules area") != where.npos;
  if (!modules && where.find("vmalloc area") == where.npos) return std::nullopt;
  std::string broken;
  const auto area = find_area(inquiry, broken);
  const auto physical = inquiry.kernel.memory().translate(inquiry.address);
  if (!area) {
    // The image itself is in no list.
    if (physical || !broken.empty()) {
      if (!modules && !broken.empty()) {
        AddressFacts facts = known_address(inquiry, "vmalloc", where);
        facts.known = false;
        add_detail(facts, "why", broken);
        return facts;
      }
      return std::nullopt;
    }
    AddressFacts facts = known_address(
        inquiry, "vmalloc", where + ", in no allocation: it was freed, or never was one");
    return facts;
  }
  const auto begin = inquiry.fields.value(*area, "vmap_area.va_start").value_or(0);
  const auto end = inquiry.fields.value(*area, "vmap_area.va_end").value_or(0);
  AddressFacts facts = known_address(inquiry, "vmalloc",
                                     fmt::format("{}, +{:#x} of an allocation of {} bytes", where,
                                                 raw(inquiry.address) - begin, end - begin));
  add_detail(facts, "range", fmt::format("{:#x} to {:#x}", begin, end));
  if (const auto vm = inquiry.fields.pointer(*area, "vmap_area.vm")) {
    describe_vm(inquiry, *vm, facts);
  } else {
    facts.words += ", of vm_map_ram(), or being freed";
  }
  if (physical) {
    add_detail(facts, "physical", fmt::format("{}", *physical));
  } else {
    add_detail(facts, "not mapped", std::string(to_string(physical.error().why)));
  }
  return facts;
}

}  // namespace rig::analyzer
