// SPDX-License-Identifier: Apache-2.0
// A guest is a stranger: QEMU, which it may break out into, gets what it needs and no more. Where
// we are root it runs as nobody, so that files that we can read are handed to it open.
#pragma once

#include <string_view>
#include <vector>

#include "base/confinement.h"
#include "base/file.h"
#include "vm/qemu/command_line.h"
#include "vm/vm.h"

namespace rig::vm::qemu {

// Opens kernel and initramfs, makes the disks that have no image, and names all of them in
// `wiring`. QEMU must inherit the descriptors.
Result<std::vector<UniqueFd>> hand_files(const VmConfig& config, Wiring& wiring);

// The account and the limits of the QEMU of this machine. A disk image may be for our eyes only,
// and may name another file that it builds on: with one QEMU stays who we are.
Confinement confinement_of(const VmConfig& config, std::string_view accelerator);

}  // namespace rig::vm::qemu
