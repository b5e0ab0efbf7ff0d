// SPDX-License-Identifier: Apache-2.0
// What kexec_load(2) takes on arm64 to boot a capture kernel: where everything goes, and the small
// pieces beside kernel and initramfs. Debian's arm64 kernels have no kexec_file_load(2), which
// would do it in the kernel. Source: Documentation/arm64/booting.rst; kexec-tools kexec/arch/arm64
// (kexec-arm64.c, crashdump-arm64.c); drivers/of/fdt.c for the properties of /chosen.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace rig::kdump {

// What the guest says of itself, as it is in its files.
struct CrashFacts {
  std::string iomem;       // /proc/iomem
  std::string tree;        // /sys/firmware/fdt
  std::string vmcoreinfo;  // /sys/kernel/vmcoreinfo: "0x41d4b000 1024", of the note
  // /sys/devices/system/cpu/cpuN/crash_notes and crash_notes_size, of every CPU.
  struct Cpu {
    std::string notes, size;
  };
  std::vector<Cpu> cpus;
};

struct CrashKernelFiles {
  std::string kernel_head;  // the first bytes of the Image: its header
  std::uint64_t kernel_bytes = 0;
  std::uint64_t initramfs_bytes = 0;
  std::string cmdline;
};

struct CrashPlace {
  std::uint64_t address = 0;  // physical, whole pages
  std::uint64_t size = 0;     // likewise
};
struct CrashImage {
  std::uint64_t entry = 0;
  CrashPlace kernel, initramfs;
  struct Blob {
    std::string bytes;
    CrashPlace place;
  };
  std::vector<Blob> blobs;
};

// No memory reserved, or too little of it, is Blame::kRig and says so.
Result<CrashImage> arm64_crash_image(const CrashFacts& facts, const CrashKernelFiles& files);

}  // namespace rig::kdump
