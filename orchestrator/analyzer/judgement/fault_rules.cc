// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "analyzer/judgement/rules.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kFirstPage = 4096;  // what lies there is a member behind a NULL pointer

const ProvenanceFacts* provenance_of(const Findings& facts, VirtAddr object) {
  const auto row = std::find_if(facts.provenance.begin(), facts.provenance.end(),
                                [&](const auto& each) { return each.object == object; });
  return row != facts.provenance.end() ? &*row : nullptr;
}

// "struct lc_command [late_completion]"
std::string type_words(const TypeGuess& guess) {
  return guess.module.empty() ? guess.type : fmt::format("{} [{}]", guess.type, guess.module);
}

// Where the bad value was loaded from: its member, else its place in the object.
std::string source_words(const FaultFacts& fault) {
  const SlabObject& object = *fault.source->object;
  const auto offset = static_cast<std::int64_t>(fault.source->offset);
  const auto place = object_words(object.cache, object.address, offset);
  return fault.source_member.empty() ? place : fmt::format("{} ({})", place, fault.source_member);
}

// What the fault means when the value came out of a slab object.
Finding of_object(const Findings& facts, const FaultFacts& fault) {
  const SlabObject& object = *fault.source->object;
  Finding finding{"object-overwritten", Confidence::kLikely, {}, {}, object.cache, object.address};
  finding.summary =
      fmt::format("{} holds {:#x}, which is no valid pointer", source_words(fault), fault.value);
  if (object.allocated == false) {
    finding.kind = "use-after-free-read";
    finding.summary =
        fmt::format("{:#x} was loaded from a free object: {}", fault.value, source_words(fault));
  }
  finding.evidence.push_back(fault.verdict);
  if (!object.evidence.empty()) {
    finding.evidence.push_back(fmt::format("the object is {}: {}",
                                           !object.allocated
                                               ? "allocated or free, which is not known"
                                           : *object.allocated ? "allocated"
                                                               : "free",
                                           object.evidence));
  }
  add_owners(object, finding);
  const ProvenanceFacts* was = provenance_of(facts, object.address);
  if (was == nullptr || !was->certain || was->guesses.empty()) return finding;
  const TypeGuess& owner = was->guesses.front();
  finding.evidence.push_back(was->verdict);
  if (object.allocated == false) return finding;
  // An object in use that still looks like another's: its former owner wrote into it.
  finding.kind = "use-after-free-write";
  finding.summary = fmt::format(
      "{} was written by its former owner: it was a {} before it was freed and allocated anew",
      source_words(fault), type_words(owner));
  if (!was->member.empty()) {
    finding.evidence.push_back(
        fmt::format("{} has its member {} at {}", owner.type, was->member,
                    signed_hex(static_cast<std::int64_t>(fault.source->offset))));
  }
  return finding;
}

Finding without_object(const FaultFacts& fault) {
  Finding finding{"wild-pointer", Confidence::kPossible, {}, {}, {}, {}};
  const bool is_null = fault.value < kFirstPage && fault.address && *fault.address < kFirstPage;
  if (is_null && fault.value == 0) {
    finding.kind = "null-dereference";
    finding.confidence = Confidence::kLikely;
    finding.summary = fault.member.empty() ? fmt::format("{} of a NULL pointer, {} behind it",
                                                         fault.access, signed_hex(fault.offset))
                                           : fmt::format("{} of {} behind a NULL pointer",
                                                         fault.access, fault.member);
  } else {
    finding.summary =
        fmt::format("{} through {:#x}, which is no valid pointer", fault.access, fault.value);
  }
  if (!fault.verdict.empty()) finding.evidence.push_back(fault.verdict);
  return finding;
}

// The bad address, or what it was computed from: the instruction may have been handed a sum.
bool came_by(const FaultFacts& fault, const std::string& text) {
  const auto is_named = [&](std::uint64_t value) {
    return value >= kFirstPage && text.find(fmt::format("{}", VirtAddr{value})) != text.npos;
  };
  return is_named(fault.value) ||
         std::any_of(fault.steps.begin(), fault.steps.end(),
                     [&](const FaultStep& step) { return step.value && is_named(*step.value); });
}

// A finding of the heap that this fault follows from: it stumbled over the same object, or took the
// next free object of a cache whose freelist is damaged.
Finding* cause_of(const FaultFacts& fault, std::vector<Finding>& found) {
  const auto leads_there = [&](const Finding& each) {
    if (each.cache.empty()) return false;
    if (fault.source && fault.source->object && each.object == fault.source->object->address)
      return true;
    return each.kind == "free-pointer-overwritten" &&
           std::any_of(each.evidence.begin(), each.evidence.end(),
                       [&](const std::string& text) { return came_by(fault, text); });
  };
  const auto cause = std::find_if(found.begin(), found.end(), leads_there);
  return cause != found.end() ? &*cause : nullptr;
}

// Of several that are alike, the one that the kernel died of is told first.
void tell_first(const Finding* cause, std::vector<Finding>& found) {
  const auto at = found.begin() + (cause - found.data());
  const auto first = std::find_if(found.begin(), at,
                                  [&](const Finding& each) { return each.kind == cause->kind; });
  std::rotate(first, at, at + 1);
}

}  // namespace

void look_at_fault(const Findings& facts, std::vector<Finding>& found) {
  if (!facts.fault || facts.fault->reg.empty()) return;
  const FaultFacts& fault = *facts.fault;
  const auto crash = fmt::format("the crash followed from it: {}", fault.verdict);
  if (Finding* cause = cause_of(fault, found)) {
    cause->evidence.push_back(crash);
    tell_first(cause, found);
    return;
  }
  if (fault.source && fault.source->object) {
    Finding finding = of_object(facts, fault);
    // A checker that reported this very object named the culprit already.
    if (Finding* known = about(found, finding.cache, *finding.object)) {
      known->evidence.push_back(crash);
      return;
    }
    found.push_back(std::move(finding));
    return;
  }
  found.push_back(without_object(fault));
}

}  // namespace rig::analyzer
