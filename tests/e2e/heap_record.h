// SPDX-License-Identifier: Apache-2.0
// What guest/modules/heap_faults printed into the kernel's log: one fault each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rig::e2e {

struct PlantedFault {
  std::string fault;  // "uaf-write-4": a name of hf_faults.c
  std::string cache;
  std::string slab, object;  // addresses as the analyzer writes them: "0xffff888006571000"
  std::int64_t offset = 0;   // of the bytes, within the object (slab-padding: within the slab)
  std::string bytes;         // that were written: "06 01 00 00"; empty: none
  std::string pointer;       // that a damaged free pointer leads to; "0x0": to nothing sensible
  std::string alloc, free;   // functions; empty: nobody has
  std::uint64_t pid = 0;     // who both were called by, but what was freed at the very end
  std::uint64_t allocated = 0;
};

std::vector<PlantedFault> read_planted(std::string_view log);

}  // namespace rig::e2e
