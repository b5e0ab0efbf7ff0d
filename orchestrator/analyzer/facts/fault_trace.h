// SPDX-License-Identifier: Apache-2.0
// The ways by which a value can have come into a register, each back to where it was loaded, made
// or cannot be followed any further; and which of them is proven by what memory still holds.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "analyzer/arch/architecture.h"
#include "analyzer/code/disassembler.h"
#include "analyzer/code/type_flow.h"
#include "analyzer/fault_facts.h"

namespace rig::analyzer {

// One way back, the nearest step first.
struct Trail {
  enum class End {
    kConfirmed,  // loaded from memory that still holds it
    kChanged,    // loaded from memory that holds something else by now
    kLoaded,     // loaded from memory whose address cannot be computed any more
    kConstant,   // put there by the code itself
    kResult,     // what a function returned
    kUnknown,    // computed in a way that is not followed, or out of sight
  };
  End end = End::kUnknown;
  std::vector<FaultStep> steps;
  std::optional<VirtAddr> memory;   // that it was loaded from
  std::optional<TypedPlace> place;  // the same by its type
  std::uint64_t value = 0;          // that was loaded
  std::uint64_t mask = ~0ull;       // the bits of it that are known
  // Loaded from what the same register held the last time, at that distance: a list is walked.
  std::optional<std::int64_t> from_itself;
};

// What can be said of all the ways.
struct Followed {
  std::vector<FaultStep> steps;  // that are certain, up to where the ways part
  std::optional<Trail> source;   // the way that is
};

class FaultTrace {
 public:
  FaultTrace(Machine& machine, TypeFlow& types, Disassembler& text,
             std::span<const StackRange> stacks)
      : machine_(machine), types_(types), text_(text), stacks_(stacks) {}

  // How `where` got the value that it has before operation `at`.
  Followed follow(Activation& in, std::uint32_t at, const Known& known, Location where,
                  std::uint64_t value);
  // How memory at that place, whose value was used directly, is described.
  Trail loaded(Activation& in, const Definition& by, std::uint64_t behind, std::uint64_t value,
               std::uint64_t mask = ~0ull);

  // A check that KASAN's compiler put there: it reads the shadow of the address that the code is
  // about to use, at (address >> 3) + offset. What that address was made of.
  struct Checked {
    Definition at;  // behind which `reg` was used
    Register reg = kNoRegister;
    std::uint64_t value = 0, address = 0;
  };
  std::optional<Checked> kasan_check(Activation& in, std::uint32_t at, const Known& known) const;

  // Which part of an address is wrong: the other is a place in memory, or a distance.
  Register suspect(const AddressForm& form, std::optional<std::uint64_t> base,
                   std::optional<std::uint64_t> index) const;
  CodeLocation location(VirtAddr at) const;
  std::string instruction(VirtAddr at, std::uint64_t size);

 private:
  struct Point {  // where a value is asked for
    Activation& in;
    std::uint32_t at;
    const Known& known;
    Location where;
  };
  struct Value {
    std::uint64_t value;
    std::uint64_t mask;  // the bits of it that are known

    std::uint64_t known() const { return value & mask; }
  };

  void explore(const Point& point, Value value, const Trail& so_far, unsigned depth);
  void explore_entry(const Point& point, const Definition& by, Value value, Trail trail,
                     unsigned depth);
  void explore_operation(const Point& point, const Definition& by, Value value, Trail trail,
                         unsigned depth);
  void explore_slot(const Point& point, const Definition& by, Value value, Trail trail,
                    unsigned depth);
  void explore_load(const Point& point, const Definition& by, std::uint64_t behind, Value value,
                    Trail trail, unsigned depth);
  void explore_sum(const Point& point, const Definition& by, Value value, Trail trail,
                   unsigned depth);
  void explore_shift(const Point& point, const Definition& by, Value value, Trail trail,
                     unsigned depth);
  void explore_added(const Point& point, const Definition& by, Value value, Trail trail,
                     unsigned depth);
  void go_on(Activation& in, const Definition& by, Location where, Value value, const Trail& trail,
             unsigned depth) {
    explore({in, by.at, by.before, where}, value, trail, depth - 1);
  }
  void finish(Trail trail, Trail::End end);
  const Trail* most_likely() const;
  bool is_unchanged(const Point& point, const Definition& by) const;
  void walk_list(std::uint64_t value);
  FaultStep step(const Point& point, const Definition& by, Value value);
  bool on_stack(VirtAddr address) const;
  bool is_mapped(std::uint64_t address) const;

  Machine& machine_;
  TypeFlow& types_;
  Disassembler& text_;
  std::span<const StackRange> stacks_;
  const Point* start_ = nullptr;
  std::vector<Trail> trails_;
  bool all_ = true;  // no way was left out
};

}  // namespace rig::analyzer
