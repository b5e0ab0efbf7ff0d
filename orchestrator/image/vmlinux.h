// SPDX-License-Identifier: Apache-2.0
// The ELF kernel inside an x86 bzImage.
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"

namespace rig::image {

// Writes the ELF vmlinux that `bzimage` carries compressed to `target`.
// Format: the kernel's Documentation/x86/boot.rst, payload_offset and payload_length.
Status extract_vmlinux(ByteView bzimage, const fs::path& target);

// Whether an x86 ELF kernel can be entered through PVH: it has a Xen note of type
// XEN_ELFNOTE_PHYS32_ENTRY (CONFIG_PVH=y), which is what QEMU's -kernel looks for.
bool has_pvh_entry(ByteView elf);

}  // namespace rig::image
