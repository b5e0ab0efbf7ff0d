// SPDX-License-Identifier: Apache-2.0
// Functions that appear in stacks without being guilty, as data. The choice follows that of
// google/syzkaller (pkg/report, Apache-2.0), whose titles ours are meant to equal. A function
// belongs here when it only does for its callers what they asked for, so that what goes wrong in it
// is their fault.
#pragma once

#include <initializer_list>
#include <string_view>

#include "oops/report_pattern.h"

namespace rig::oops {

// Names with '*' at an end or at both: "kasan_*", "*_lock", "*spin_lock*".
class SkipList {
 public:
  SkipList(std::initializer_list<std::string_view> names);
  bool contains(std::string_view function) const { return any_.matches(function); }

 private:
  Pattern any_;
};

// For all formats.
const SkipList& reporting_helpers();  // print the report: cut from the top of a stack
const SkipList& exception_entries();  // what follows them in a stack is where the CPU was
const SkipList& common_helpers();     // allocators, string functions, lists, locks, teardown

// For some formats, beside the common ones.
const SkipList& tag_checkers();           // arm64's way from a wrong tag to KASAN
const SkipList& slab_checkers();          // SLUB's own checks, and what calls them
const SkipList& control_flow_checkers();  // CFI's own
const SkipList& freeing_helpers();        // free on behalf of others
const SkipList& uninitialised_helpers();  // pass packets, requests and text through
const SkipList& arithmetic_checkers();    // UBSAN's own
const SkipList& owned_memory_helpers();   // allocate what belongs to their callers
const SkipList& overflow_helpers();       // tell of a stack that is full
const SkipList& usercopy_checkers();      // check what is copied to programs
const SkipList& refcount_users();         // count references for others
const SkipList& rust_panic_helpers();     // Rust's way to panic
const SkipList& page_helpers();           // allocate and keep pages for others
const SkipList& packet_helpers();         // check packets for others
const SkipList& debug_object_users();     // free what others left active
const SkipList& proc_helpers();           // register files for others
const SkipList& socket_locks();           // lock a socket for its protocol
const SkipList& usb_transfer_helpers();   // submit transfers for drivers
const SkipList& work_item_locks();        // take the locks that stand for others' work
const SkipList& rcu_users();              // RCU itself, and allocators that ask it
const SkipList& locking_code();           // any code of locks, of interrupts' state
const SkipList& scheduler();              // what any sleep goes through
const SkipList& preemption_checkers();    // check whether per-CPU data may be used
const SkipList& locks();                  // the lock's own code
const SkipList& stall_reporters();        // the tick, and RCU's bookkeeping in it
const SkipList& waiting_helpers();        // where a task waits: for hung tasks

// Places in a stack.
const SkipList& dispatchers();        // call whatever is registered: what they call is specific
const SkipList& interrupt_entries();  // below them in a stack is what was interrupted
const SkipList& fault_injection();    // their stacks are printed whenever a fault is injected

}  // namespace rig::oops
