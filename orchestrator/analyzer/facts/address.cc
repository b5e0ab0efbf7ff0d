// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/address.h"

#include <algorithm>

namespace rig::analyzer {
namespace {

// The first that knows the address answers: what is certain by its number alone, then what has a
// name, then what holds it, from the smallest to the largest.
constexpr AddressFamily kFamilies[] = {
    address_as_number, address_as_poison,  address_as_canary,      address_in_shadow,
    address_of_user,   address_of_per_cpu, address_of_symbol,      address_on_stack,
    address_in_slab,   address_in_fixmap,  address_of_page_struct, address_in_vmalloc,
    address_in_page,
};

// Nothing knows it: the area it lies in, and whether anything is mapped there.
AddressFacts area_only(const Inquiry& inquiry) {
  AddressFacts facts;
  facts.address = inquiry.address;
  facts.kind = inquiry.region.worth_asking ? "area" : "nothing";
  facts.words = inquiry.region.words;
  if (!inquiry.region.worth_asking) return facts;
  const auto physical = inquiry.kernel.memory().translate(inquiry.address);
  if (physical) {
    add_detail(facts, "physical", fmt::format("{}", *physical));
  } else {
    facts.words += fmt::format(", {}", to_string(physical.error().why));
  }
  return facts;
}

bool is_ram(const PhysMemory& memory, PhysAddr address) {
  return std::ranges::any_of(
      memory.ranges(), [&](const PhysRange& range) { return address - range.begin < range.size; });
}

}  // namespace

AddressFacts known_address(const Inquiry& inquiry, std::string_view kind, std::string words) {
  AddressFacts facts;
  facts.address = inquiry.address;
  facts.kind = kind;
  facts.words = std::move(words);
  facts.known = true;
  return facts;
}

void add_detail(AddressFacts& facts, std::string_view name, std::string words) {
  if (!words.empty()) facts.details.push_back({std::string(name), std::move(words)});
}

Result<AddressFacts> explain_address(Session& session, VirtAddr address) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  const Architecture& arch = session.arch();
  Inquiry inquiry{session,
                  *kernel,
                  arch,
                  arch.layout(*kernel),
                  FieldReader(*kernel),
                  address,
                  arch.region(*kernel, session.paging_levels(), address)};
  for (const AddressFamily family : kFamilies) {
    if (auto facts = family(inquiry)) return *std::move(facts);
  }
  return area_only(inquiry);
}

Result<AddressFacts> explain_physical(Session& session, PhysAddr address) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  const KernelLayout layout = session.arch().layout(*kernel);
  AddressFacts facts;
  facts.address = VirtAddr{raw(address)};
  facts.kind = "physical";
  if (!is_ram(session.core().memory(), address)) {
    facts.words =
        fmt::format("physical {}, which is not in the core's memory: a device, or a hole", address);
    return facts;
  }
  if (!layout.direct_map) {
    facts.words = fmt::format("physical {}; where the direct map lies is not known", address);
    return facts;
  }
  RIG_ASSIGN(facts, explain_address(session, *layout.direct_map + raw(address)));
  if (!facts.words.starts_with("physical")) {
    facts.words = fmt::format("physical {}: {}", address, facts.words);
  }
  add_detail(facts, "mapped at", fmt::format("{}", facts.address));
  return facts;
}

}  // namespace rig::analyzer
