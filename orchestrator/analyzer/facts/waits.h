// SPDX-License-Identifier: Apache-2.0
// Who waits for what: tasks that sleep uninterruptibly, and the locks that they wait for. A waiter
// of a mutex or rw_semaphore lies on the stack of the task that waits (struct mutex_waiter,
// rwsem_waiter in kernel/locking/) and is linked into the lock's list, which leads to the lock and
// to who has it: no kernel keeps that in the task itself without CONFIG_DEBUG_MUTEXES.
#pragma once

#include <vector>

#include "analyzer/facts/session.h"
#include "analyzer/findings.h"
#include "analyzer/guest_facts.h"

namespace rig::analyzer {

inline constexpr std::size_t kMaxWaits = 64;

// The tasks in state D, the one that has waited longest first, with their back traces; bounded.
// Says in `remarks` what could not be established.
std::vector<WaitFacts> wait_facts(Session& session, std::vector<std::string>& remarks);

// For each CPU how long it has had its task, by the scheduler's clock (sched_info.last_arrival),
// and how many tasks are runnable and wait for it.
void add_queues(Session& session, std::vector<CpuFacts>& cpus);

}  // namespace rig::analyzer
