// SPDX-License-Identifier: Apache-2.0
// The files behind disks that have no image: temporary, without a name.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>
#include <string>

#include "base/file.h"
#include "scenario/guest.h"

namespace rig::vm::qemu {

// A sparse file of the disk's size that goes with its descriptor, with the file system that the
// disk is to have.
Result<UniqueFd> create_disk(const scenario::Disk& disk, const std::stop_token& stop);

// An error that names the Debian package where a tool is missing that these disks need.
Status check_disk_tools(std::span<const scenario::Disk> disks);

// The same file by hand, in the current folder: a shell command that ends in " && ".
std::string create_disk_by_hand(const scenario::Disk& disk, const std::string& file);

}  // namespace rig::vm::qemu
