// SPDX-License-Identifier: Apache-2.0
//
// Parameters of loadable modules on the kernel's command line: the kernel leaves them to whoever
// loads the module, as modprobe does.
#pragma once

#include <string>
#include <string_view>

namespace rig::guest {

// "queue_depth=64 poll_queues=1" for a `cmdline` with "virtio-blk.queue_depth=64 ..."; `file` is
// the module's: "/lib/modules/R/virtio_blk.ko".
std::string params_on_cmdline(std::string_view cmdline, std::string_view file);

}  // namespace rig::guest
