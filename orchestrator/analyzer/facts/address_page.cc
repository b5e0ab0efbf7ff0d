// SPDX-License-Identifier: Apache-2.0
// The direct map and the array of pages: a page of memory and its state.
#include "analyzer/facts/address.h"
#include "analyzer/facts/page_facts.h"

namespace rig::analyzer {
namespace {

void add_page_details(const PageFacts& page, AddressFacts& facts) {
  add_detail(facts, "state", page.words);
  add_detail(facts, "page", fmt::format("{}", page.at));
  add_detail(facts, "flags", page.flags);
  if (page.references) add_detail(facts, "references", std::to_string(*page.references));
  if (page.mappings) add_detail(facts, "mapped by users", std::to_string(*page.mappings));
  add_detail(facts, "compound", page.compound);
}

// What the kernel's image has at that physical address, which the direct map shows once more.
std::optional<std::string> image_alias(const Kernel& kernel, PhysAddr physical) {
  const auto text = kernel.symbol("_stext");
  const auto there = text ? kernel.memory().translate(*text) : Read<PhysAddr>(PhysAddr{});
  if (!text || !there) return std::nullopt;
  const VirtAddr alias = *text + (raw(physical) - raw(*there));
  if (!kernel.in_image(alias)) return std::nullopt;
  if (const auto code = kernel.code(alias)) return "code " + to_string(*code);
  if (const auto data = kernel.data(alias)) return "data " + *data;
  return "static data of the kernel";
}

}  // namespace

std::optional<AddressFacts> address_of_page_struct(Inquiry& inquiry) {
  if (inquiry.region.words != "in the array of pages") return std::nullopt;
  const PageReader pages(inquiry.fields, inquiry.layout);
  const auto place = pages.page_of_struct(inquiry.address);
  if (!place) return std::nullopt;
  AddressFacts facts =
      known_address(inquiry, "struct-page",
                    fmt::format("the struct page of physical {}{}", place->page,
                                place->offset ? fmt::format(", +{:#x}", place->offset) : ""));
  const auto page = pages.read(place->page);
  if (!page) {
    facts.known = false;
    facts.words += ", which the core does not have";
    return facts;
  }
  facts.words += ": " + page->words;
  add_page_details(*page, facts);
  return facts;
}

std::optional<AddressFacts> address_in_page(Inquiry& inquiry) {
  const auto& base = inquiry.layout.direct_map;
  if (!inquiry.region.worth_asking || !base || inquiry.address < *base) return std::nullopt;
  const auto physical = inquiry.kernel.memory().translate(inquiry.address);
  if (!physical || raw(*physical) != inquiry.address - *base) return std::nullopt;
  const PageReader pages(inquiry.fields, inquiry.layout);
  const auto page = pages.read(*physical);
  AddressFacts facts = known_address(inquiry, "page", fmt::format("physical {}", *physical));
  if (!page) {
    facts.known = false;
    facts.words += ", whose struct page the core does not have";
    return facts;
  }
  facts.words += ", a page that is " + page->words;
  if (page->kind == "reserved") {
    if (const auto alias = image_alias(inquiry.kernel, *physical)) {
      facts.words =
          fmt::format("physical {}, the kernel's image in the direct map: {}", *physical, *alias);
    }
  }
  add_page_details(*page, facts);
  return facts;
}

}  // namespace rig::analyzer
