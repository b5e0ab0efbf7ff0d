// SPDX-License-Identifier: Apache-2.0
// libvirt's event loop, in a thread of its own. It cannot be a machine's own loop: libvirt has one
// per process, whereas every machine has its own (-j), and a loop only turns while its owner waits
// in a call, when a remote host's keepalive must be answered at any time. What happens here goes
// to a machine's loop through its Mailbox and its sockets, so the machine's owner still sees one
// thread and one loop.
#pragma once

#include "base/error.h"

namespace rig::vm::libvirt {

// Once per process, before the first connection; the thread lives as long as the process.
Status start_event_thread();

}  // namespace rig::vm::libvirt
