// SPDX-License-Identifier: Apache-2.0
// What lock validators and checks of context print: kernel/locking/{lockdep,spinlock_debug}.c,
// kernel/sched/core.c, kernel/workqueue.c, lib/smp_processor_id.c. Old kernels say "INFO:" or
// "BUG:" where new ones say "WARNING:".
#include "oops/report_formats.h"

namespace rig::oops {
namespace {

constexpr std::string_view kNeeds = "is trying to acquire lock";

std::vector<Format> deadlocks() {
  return {
      {.family = "lockdep",
       .needles = {"possible circular locking dependency", "possible recursive locking",
                   "possible irq lock inversion", "-unsafe lock order", "inconsistent lock state"},
       .spellings = {{.pattern = R"(INFO: possible circular locking dependency)",
                      .kind = "lockdep",
                      .title = "possible deadlock in {function}",
                      .needs = kNeeds},
                     {.pattern = R"(WARNING: possible circular locking dependency)",
                      .kind = "lockdep",
                      .title = "possible deadlock in {function}",
                      .look = Look::kTakenLocks,
                      .needs = kNeeds},
                     {.pattern = R"((?:WARNING|INFO): possible recursive locking)",
                      .kind = "lockdep",
                      .title = "possible deadlock in {function}",
                      .needs = kNeeds},
                     {.pattern = R"((?:WARNING|INFO): possible irq lock inversion)",
                      .kind = "lockdep",
                      .title = "possible deadlock in {function}",
                      .needs = "just changed the state of lock"},
                     {.pattern = R"((?:WARNING|INFO): \S+-safe -> \S+-unsafe lock order)",
                      .kind = "lockdep",
                      .title = "possible deadlock in {function}",
                      .look = Look::kBecame},
                     {.pattern = R"(INFO: inconsistent lock state)",
                      .kind = "lockdep",
                      .title = "inconsistent lock state in {function}",
                      .needs = " takes:"},
                     {.pattern = R"(WARNING: inconsistent lock state)",
                      .kind = "lockdep",
                      .title = "inconsistent lock state in {function}",
                      .look = Look::kTakenThenTrace,
                      .needs = " takes:"}},
       .skip = &work_item_locks(),
       .look = Look::kTakenLock,
       .type = "LOCKDEP"},
      {.family = "lockdep",
       .needles = {"Invalid wait context", "Nested lock was not taken",
                   "nested lock was not taken"},
       .spellings = {{.pattern = R"(BUG: Invalid wait context)",
                      .kind = "lockdep",
                      .title = "WARNING: locking bug in {function}",
                      .look = Look::kTrace},
                     {.pattern = R"((?P<bug>WARNING|BUG): [Nn]ested lock was not taken)",
                      .kind = "lockdep",
                      .title = "{bug}: nested lock was not taken in {function}"}},
       .skip = &socket_locks(),
       .look = Look::kWarning,
       .type = "LOCKDEP"},
      {.family = "lockdep",
       .needles = {"bad unlock balance detected", "bad contention detected"},
       .spellings =
           {{.pattern =
                 R"((?P<bug>WARNING|BUG): (?P<what>bad (?:unlock balance|contention)) detected)",
             .kind = "lockdep",
             .title = "{bug}: {what} in {function}"}},
       .look = Look::kReleasedLock,
       .type = "LOCKDEP"},
      {.family = "lockdep",
       .needles = {"held lock freed", "still has locks held", "still have locks held"},
       .spellings = {{.pattern = R"((?P<bug>WARNING|BUG): (?P<what>held lock freed))",
                      .kind = "lockdep",
                      .title = "{bug}: {what} in {function}"},
                     {.pattern = R"((?P<bug>WARNING|BUG): .*still ha(?:s|ve) locks held)",
                      .kind = "lockdep",
                      .title = "{bug}: still has locks held in {function}"}},
       .look = Look::kTakenLock,
       .type = "LOCKDEP"},
      {.family = "lockdep",
       .needles = {"lock held when returning"},
       .spellings =
           {{.pattern = R"((?P<bug>WARNING|BUG): (?P<what>lock held when returning to user space))",
             .kind = "lockdep",
             .title = "{bug}: {what} in {function}",
             .needs = "leaving the kernel with locks still held"}},
       .look = Look::kTakenLock,
       .type = "LOCKDEP",
       .stackless = true}};
}

std::vector<Format> validators_own() {
  return {{.family = "suspicious-rcu",
           .needles = {"suspicious RCU usage", "suspicious rcu_dereference"},
           .spellings =
               {{.pattern = R"(WARNING: suspicious (?:RCU usage|rcu_dereference_check\(\) usage))",
                 .kind = "suspicious-rcu",
                 .title = "WARNING: suspicious RCU usage in {function}"},
                {.pattern = R"(INFO: suspicious (?:RCU usage|rcu_dereference_check\(\) usage))",
                 .kind = "suspicious-rcu",
                 .title = "INFO: suspicious RCU usage in {function}",
                 .type = ""}},
           .skip = &rcu_users(),
           .look = Look::kTrace,
           .type = "LOCKDEP"},
          {.family = "lockdep",
           .needles = {"trying to register non-static key"},
           .spellings = {{.pattern = R"(INFO: trying to register non-static key)",
                          .kind = "lockdep",
                          .title = "INFO: trying to register non-static key in {function}"}},
           .skip = &locking_code(),
           .look = Look::kTrace},
          // Bugs that have no more than their line for a name.
          {.family = "bug-message",
           .needles = {"BUG: looking up invalid subclass", "BUG: mempool element poison mismatch",
                       "BUG: scheduling in a non-blocking section", "BUG: assuming ",
                       "has not been registered!"},
           .spellings = {{.pattern = R"(BUG: \S)", .kind = "bug-message", .title = ""}},
           .look = Look::kNowhere,
           .stackless = true},
          {.family = "lockdep",
           .needles = {"BUG: MAX_"},
           .spellings = {{.pattern = R"(BUG: (?P<what>MAX_\w+ too low!))",
                          .kind = "lockdep",
                          .title = "BUG: {what}"}},
           .look = Look::kNowhere,
           .stackless = true}};
}

std::vector<Format> contexts() {
  return {
      {.family = "atomic-sleep",
       .needles = {"BUG: scheduling while atomic"},
       .spellings = {{.pattern =
                          R"(BUG: scheduling while atomic(?:: (?P<comm>.+?)/(?P<pid>\d+)/0x)?)",
                      .kind = "scheduling-while-atomic",
                      .title = "BUG: scheduling while atomic in {function}"}},
       .skip = &scheduler(),
       .look = Look::kTrace,
       .type = "ATOMIC_SLEEP"},
      {.family = "atomic-sleep",
       .needles = {"BUG: sleeping function called from invalid"},
       .spellings = {{.pattern = R"(BUG: sleeping function called from invalid context)",
                      .kind = "sleep-in-atomic",
                      .title = "BUG: sleeping function called from invalid context in {function}"}},
       .look = Look::kTrace,
       .type = "ATOMIC_SLEEP"},
      {.family = "atomic-sleep",
       .needles = {"BUG: workqueue leaked "},
       // 6.10 says "leaked atomic, lock or RCU", and names the function behind "workfn=".
       .spellings =
           {{.pattern =
                 R"(BUG: workqueue (?P<what>leaked [\w, ]+?): (?P<comm>.+)(?:/0x[0-9a-f]+/|\[)(?P<pid>\d+))",
             .kind = "leaked-atomic",
             .title = "BUG: workqueue {what} in {function}",
             .needs = "last function: |workfn="}},
       .look = Look::kLastWorked,
       .stackless = true},
      {.family = "preemption",
       .needles = {"BUG: using "},
       .spellings =
           {{.pattern =
                 R"(BUG: using (?P<what>\w+\(\)) in preemptible (?:.*code: (?P<comm>.+)/(?P<pid>\d+))?)",
             .kind = "preemptible-percpu",
             .title = "BUG: using {what} in preemptible code in {function}"}},
       .skip = &preemption_checkers(),
       .look = Look::kTrace,
       .type = "LOCKDEP"},
      {.family = "lock-misuse",
       .needles = {"BUG: spinlock ", "BUG: rwlock "},
       .spellings =
           {{.pattern =
                 R"(BUG: (?P<what>(?:spinlock|rwlock) (?:lockup suspected|lockup|already unlocked|recursion|cpu recursion|bad magic|wrong owner|wrong CPU|uninitialized|trylock failure on UP))(?: on CPU#(?P<cpu>\d+), (?P<comm>.+)/(?P<pid>\d+)(?:, .*)?)?)",
             .kind = "lock-misuse",
             .title = "BUG: {what} in {function}"}},
       .skip = &locks(),
       .look = Look::kTrace,
       .type = "LOCKDEP"}};
}

}  // namespace

std::vector<Format> lock_formats() {
  std::vector<Format> all = deadlocks();
  for (Format& format : validators_own()) all.push_back(std::move(format));
  for (Format& format : contexts()) all.push_back(std::move(format));
  return all;
}

}  // namespace rig::oops
