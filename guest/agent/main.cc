// SPDX-License-Identifier: Apache-2.0
//
// PID 1 of the guest: makes the machine usable, then serves the host until it says PowerOff.
#include <signal.h>
#include <unistd.h>

#include <cstdio>

#include "guest/agent/agent.h"
#include "guest/agent/modules.h"
#include "guest/agent/system.h"

int main() {
  if (getpid() != 1) {
    std::fputs("agent: runs as /init of a crashrig guest only\n", stderr);
    return 2;
  }
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);

  rig::guest::prepare_system();
  rig::guest::Agent agent(rig::guest::load_listed_modules());
  agent.run();
}
