// SPDX-License-Identifier: Apache-2.0
// The folder of libvirt's embedded driver, and the end of its guests when we die: such a QEMU is no
// child of ours, and no daemon is there to end it (VIR_DOMAIN_START_AUTODESTROY).
#pragma once

#include "base/error.h"
#include "base/file.h"

namespace rig::vm::libvirt {

// The URI to open. With an empty `root` the folder is made, and removed when this process ends,
// however it ends. A folder without qemu.conf gets one. One folder per process, as libvirt has it:
// a second one is Blame::kInput.
Result<std::string> embedded_uri(const fs::path& root);

}  // namespace rig::vm::libvirt
