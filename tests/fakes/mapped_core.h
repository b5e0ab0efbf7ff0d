// SPDX-License-Identifier: Apache-2.0
// A core of an x86_64 guest whose page tables (four levels) map what lies in a FakeVirtMemory: for
// tests that need a whole Session.
#pragma once

#include <map>
#include <string>

#include "fakes/fake_memory.h"
#include "fakes/synthetic_core.h"

namespace rig::analyzer::fake {

class MappedCore {
 public:
  // `lines`: VMCOREINFO, but for what tells where the page tables are.
  MappedCore(FakeVirtMemory memory, const std::string& lines) {
    memory.put(kRoot, 0ull);
    std::uint64_t next = 0x1000'0000;
    for (const auto number : memory.pages.numbers()) {
      const std::uint64_t at = number * kPage;
      if (at == kRoot) {
        map(at, kRootAt);
        continue;
      }
      std::vector<std::byte> bytes(kPage);
      (void)memory.read(VirtAddr{at}, bytes);
      core.page(PhysAddr{next}, bytes);
      map(at, next);
      next += kPage;
    }
    core.vmcoreinfo(
        fmt::format("OSRELEASE=6.1.0-test\nNUMBER(phys_base)=0\nSYMBOL(swapper_pg_dir)={:x}\n{}",
                    kRoot, lines));
  }

  // Another CPU, in kernel mode.
  void cpu(std::uint64_t rip, std::uint64_t rsp, std::uint64_t gs_base) {
    std::vector<std::byte> note(336);
    const auto put = [&](std::size_t offset, std::uint64_t value) {
      std::memcpy(note.data() + 112 + offset, &value, sizeof value);
    };
    put(128, rip);
    put(136, 0x10);
    put(144, 0x46);
    put(152, rsp);
    put(176, gs_base);
    core.prstatus(note);
  }

  fakes::SyntheticCore core;

 private:
  static constexpr std::uint64_t kPage = 4096;
  static constexpr std::uint64_t kRoot = 0xffff'ffff'8400'0000;
  static constexpr std::uint64_t kRootAt = 0x0400'0000;  // as phys_base says

  void map(std::uint64_t address, std::uint64_t to) {
    std::uint64_t table = kRootAt;
    for (const unsigned shift : {39, 30, 21}) {
      auto& entry = tables_[{table, address >> shift & 511}];
      if (entry == 0) {
        entry = next_table_;
        next_table_ += kPage;
        core.value(PhysAddr{table + (address >> shift & 511) * 8}, entry | 3);
      }
      table = entry;
    }
    core.value(PhysAddr{table + (address >> 12 & 511) * 8}, to | 3);
  }

  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> tables_;
  std::uint64_t next_table_ = 0x2000'0000;
};

}  // namespace rig::analyzer::fake
