// SPDX-License-Identifier: Apache-2.0
// What no sane kernel exceeds. Every walk over a core's memory ends at one of these: a count, a
// list or a name that was overwritten must not make it run on.
#pragma once

#include <cstdint>

namespace rig::analyzer {

// Of both architectures; members and saved registers are read in these.
inline constexpr std::uint64_t kWord = sizeof(std::uint64_t);

// x86's NR_CPUS with MAXSMP (arch/x86/Kconfig), more than any other architecture's.
inline constexpr std::uint32_t kMaxCpus = 8192;

inline constexpr unsigned kMaxModules = 4096;

// From _text to _end, in bytes: x86_64 has 512 MB or 1 GB for it, real ones take 40 to 100 MB.
inline constexpr std::uint64_t kMaxImage = 256 << 20;

// Structs in structs: BTF that was overwritten may be a cycle.
inline constexpr unsigned kMaxStructDepth = 12;

// The notes of a core, in bytes: one of some 400 bytes per CPU, and vmcoreinfo.
inline constexpr std::uint64_t kMaxNoteBytes = 64 << 20;

// VMCOREINFO, in bytes: real ones have 4 KB (VMCOREINFO_BYTES is a page).
inline constexpr std::uint64_t kMaxVmcoreinfo = 1 << 20;

// One stack, in bytes: KASAN's are the largest, of 32 KB with pages of 4 KB.
inline constexpr std::uint64_t kMaxStackBytes = 256 << 10;

// Below it no address is the kernel's, with five levels of page tables neither.
inline constexpr std::uint64_t kKernelHalf = 0xff00'0000'0000'0000;

// A page of zeros takes 24 bytes of a kdump file: memory that is more than this many times the file
// is claimed, not there.
inline constexpr std::uint64_t kMemoryPerFileByte = 256;

}  // namespace rig::analyzer
