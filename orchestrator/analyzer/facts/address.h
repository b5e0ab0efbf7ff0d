// SPDX-License-Identifier: Apache-2.0
// What an address is, asked for one address and answered in full: `inspect whatis`. The quick form
// for many pointers is Whatis.
#pragma once

#include "analyzer/address_facts.h"
#include "analyzer/facts/field_reader.h"
#include "analyzer/facts/session.h"

namespace rig::analyzer {

// An error only as session.kernel(). What is nothing is said too, and why.
Result<AddressFacts> explain_address(Session& session, VirtAddr address);
// The same of a physical address, through the direct map.
Result<AddressFacts> explain_physical(Session& session, PhysAddr address);

// What the families of addresses ask with.
struct Inquiry {
  Session& session;
  const Kernel& kernel;
  const Architecture& arch;
  KernelLayout layout;
  FieldReader fields;
  VirtAddr address{};
  Region region;  // what its number alone says
};

// One kind of thing that an address can be. To add one: a function, in a file of its own family,
// and a row in the table of address.cc at the right place in the order.
using AddressFamily = std::optional<AddressFacts> (*)(Inquiry&);

// address_number.cc: what is no address at all.
std::optional<AddressFacts> address_as_number(Inquiry& inquiry);
std::optional<AddressFacts> address_as_poison(Inquiry& inquiry);
// "LIST_POISON1: …", "the pattern 0x6b6b6b6b6b6b6b6b + 0x60: POISON_FREE: …"
std::optional<std::string> poison_words(std::uint64_t value);
std::optional<AddressFacts> address_as_canary(Inquiry& inquiry);
// address_user.cc
std::optional<AddressFacts> address_of_user(Inquiry& inquiry);
// address_kernel.cc
std::optional<AddressFacts> address_of_symbol(Inquiry& inquiry);
std::optional<AddressFacts> address_of_per_cpu(Inquiry& inquiry);
std::optional<AddressFacts> address_on_stack(Inquiry& inquiry);
std::optional<AddressFacts> address_in_fixmap(Inquiry& inquiry);
// address_slab.cc
std::optional<AddressFacts> address_in_slab(Inquiry& inquiry);
std::optional<AddressFacts> address_in_shadow(Inquiry& inquiry);
// address_vmalloc.cc
std::optional<AddressFacts> address_in_vmalloc(Inquiry& inquiry);
// address_page.cc
std::optional<AddressFacts> address_of_page_struct(Inquiry& inquiry);
std::optional<AddressFacts> address_in_page(Inquiry& inquiry);

// An answer of that kind, for the families.
AddressFacts known_address(const Inquiry& inquiry, std::string_view kind, std::string words);
void add_detail(AddressFacts& facts, std::string_view name, std::string words);

}  // namespace rig::analyzer
