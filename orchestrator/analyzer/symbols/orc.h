// SPDX-License-Identifier: Apache-2.0
// How to find a function's caller at any of its instructions: the ORC tables of the kernel and of
// its modules (CONFIG_UNWINDER_ORC), read from the core where a look-up needs them.
// Format: arch/x86/include/asm/orc_types.h, Documentation/x86/orc-unwinder.rst. Beside each table
// of entries lies one of 32-bit distances from their own place to the entry's first address.
#pragma once

#include <optional>
#include <vector>

#include "analyzer/core/virt_memory.h"
#include "analyzer/symbols/btf.h"
#include "analyzer/symbols/modules.h"

namespace rig::analyzer {

struct OrcEntry {
  enum class Register {
    kUndefined = 0,
    kPrevSp = 1,  // the caller's stack pointer
    kDx = 2,
    kDi = 3,
    kBp = 4,
    kSp = 5,
    kR10 = 6,
    kR13 = 7,
    kBpIndirect = 8,
    kSpIndirect = 9,
  };
  enum class Type {
    kUndefined,    // nothing is known here
    kEnd,          // the kernel was entered here: nobody called
    kCall,         // the return address lies right below the caller's stack
    kRegs,         // a struct pt_regs lies there
    kRegsPartial,  // the CPU's own exception frame lies there
  };
  Type type = Type::kUndefined;
  Register sp_base = Register::kUndefined, bp_base = Register::kUndefined;
  std::int16_t sp_offset = 0, bp_offset = 0;
  // The frame that this leads to goes on at its address exactly; else after a call.
  bool signal = false;
};

// One kernel's layout of struct orc_entry, from its members: ffb1b4a41016 (v6.3) added `signal`,
// fb799447ae29 (v6.4) replaced `end` by two more values of `type`.
class OrcLayout {
 public:
  static std::optional<OrcLayout> probe(const Btf& types);

  std::uint64_t size() const { return size_; }
  std::optional<OrcEntry> decode(ByteView bytes) const;

 private:
  std::uint64_t size_ = 0;
  Member sp_offset_, bp_offset_, sp_reg_, bp_reg_, type_;
  std::optional<Member> signal_, end_;
};

struct OrcTable {
  VirtAddr distances{};  // int[count]
  VirtAddr entries{};    // struct orc_entry[count]
  std::uint64_t count = 0;
};

// The tables of a kernel. Not for use by two threads at once.
class Orc {
 public:
  // `image`: between __start_orc_unwind_ip and its stop. Nothing when the types have no ORC.
  static std::optional<Orc> open(const VirtMemory& memory, const Btf& types, OrcTable image);

  // The entry for `address` in the kernel's image.
  std::optional<OrcEntry> find(VirtAddr address) const { return find(image_, address); }
  // The entry for `address` in `module`.
  std::optional<OrcEntry> find(const Module& module, VirtAddr address) const;

 private:
  // Where struct module has its table (struct mod_arch_specific).
  struct ModuleTable {
    std::uint64_t count = 0, distances = 0, entries = 0;
  };

  Orc(const VirtMemory& memory, OrcLayout layout) : memory_(&memory), layout_(layout) {}
  std::optional<OrcEntry> find(const OrcTable& table, VirtAddr address) const;

  const VirtMemory* memory_;
  OrcLayout layout_;
  OrcTable image_;
  std::optional<ModuleTable> module_;
};

}  // namespace rig::analyzer
