// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/pointers.h"

#include <algorithm>
#include <map>

namespace rig::analyzer {
namespace {

// These say where the CPU was, not what it was working on.
constexpr std::string_view kNotPointers[] = {"RIP",    "RSP", "CS", "SS",
                                             "EFLAGS", "pc",  "sp", "pstate"};
// Below it a value is a count, a flag or an error rather than an address.
constexpr std::uint64_t kSmallNumber = 4096;
constexpr unsigned kMaxStackWords = 4096;

bool leads_somewhere(std::uint64_t value) {
  return value >= kSmallNumber && value < ~0ull - kSmallNumber;
}

}  // namespace

std::vector<PointerFacts> follow_pointers(std::span<const RegisterValue> registers, VirtAddr sp,
                                          const StackRange& stack, unsigned stack_words,
                                          const Kernel& kernel, Whatis& whatis) {
  std::vector<PointerFacts> pointers;
  std::map<VirtAddr, std::string> seen;  // objects, and what led to them first
  const auto follow = [&](std::string from, std::uint64_t value) {
    What what = whatis.ask(VirtAddr{value});
    PointerFacts facts{std::move(from), VirtAddr{value}, std::move(what.words), {}, 0};
    if (what.slab) {
      facts.offset = static_cast<std::uint64_t>(what.slab->offset);
      const auto [known, first] = seen.try_emplace(what.slab->object.address, facts.from);
      if (first) {
        facts.object = std::move(what.slab->object);
      } else {
        facts.what += fmt::format(", the object of {}", known->second);
      }
    }
    return facts;
  };

  for (const RegisterValue& each : registers) {
    if (std::ranges::find(kNotPointers, each.name) != std::end(kNotPointers)) continue;
    if (!leads_somewhere(each.value)) continue;
    pointers.push_back(follow("register " + each.name, each.value));
  }

  if (!stack.contains(sp)) return pointers;
  const auto words = std::min<std::uint64_t>({stack_words, kMaxStackWords, (stack.end() - sp) / 8});
  const auto bytes = kernel.memory().read_up_to(sp, words * 8);
  for (std::uint64_t at = 0; at + 8 <= bytes.size(); at += 8) {
    const auto value = load<std::uint64_t>(bytes, at).value_or(0);
    if (!leads_somewhere(value)) continue;
    auto facts = follow(fmt::format("stack + {:#x}", at), value);
    if (facts.object) pointers.push_back(std::move(facts));
  }
  return pointers;
}

}  // namespace rig::analyzer
