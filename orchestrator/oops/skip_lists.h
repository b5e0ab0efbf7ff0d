// SPDX-License-Identifier: Apache-2.0
// Functions that appear in stacks without being guilty, as data.
#pragma once

#include <string_view>
#include <vector>

namespace rig::oops {

// Names with '*' at an end or at both: "kasan_*", "*_lock", "*spin_lock*".
class SkipList {
 public:
  SkipList(std::initializer_list<std::string_view> names) : names_(names) {}
  bool contains(std::string_view function) const;

 private:
  std::vector<std::string_view> names_;
};

const SkipList& reporting_helpers();  // print the report: cut from the top of a stack
const SkipList& exception_entries();  // what follows them in a stack is where the CPU was
const SkipList& common_helpers();     // allocators, string functions, list debugging, locks
const SkipList& waiting_helpers();    // where a task waits: for hung tasks
const SkipList& stall_helpers();      // timers and interrupts: for stalls and lockups
const SkipList& locking_helpers();    // for lock validators
const SkipList& warning_helpers();    // generic checkers that warn on behalf of their callers

const SkipList& page_helpers();       // free and allocate on behalf of others: bad pages, leaks
const SkipList& dispatchers();        // call whatever is registered: what they call is specific
const SkipList& interrupt_entries();  // below them in a stack is what was interrupted

}  // namespace rig::oops
