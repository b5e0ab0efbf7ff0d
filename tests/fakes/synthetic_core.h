// SPDX-License-Identifier: Apache-2.0
// Writes small vmcores from a list of pages, in every container that Core::open() reads. What the
// test put in is what an analyzer has to find, whatever the format.
//
//   SyntheticCore core;
//   core.page(PhysAddr{0x1000}, bytes).vmcoreinfo("OSRELEASE=6.1.0\n...").prstatus(registers);
//   RIG_TRY(core.write(path, CoreFormat::kKdumpZstd));
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/arch.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"

namespace rig::fakes {

enum class CoreFormat { kElf, kKdumpRaw, kKdumpZlib, kKdumpLzo, kKdumpSnappy, kKdumpZstd };
inline constexpr std::array kAllCoreFormats = {CoreFormat::kElf,         CoreFormat::kKdumpRaw,
                                               CoreFormat::kKdumpZlib,   CoreFormat::kKdumpLzo,
                                               CoreFormat::kKdumpSnappy, CoreFormat::kKdumpZstd};
std::string_view to_string(CoreFormat format);  // as in a test's name: "KdumpZstd"

// How one and the same core can lie in a file.
struct CoreForm {
  CoreFormat format;
  bool flattened;
};
std::vector<CoreForm> all_core_forms();
std::string to_string(const CoreForm& form);  // as in a test's name: "KdumpZlibFlattened"

class SyntheticCore {
 public:
  static constexpr std::uint64_t kPage = 4096;

  SyntheticCore& arch(Arch arch);

  // Any bytes at any address; the rest of the pages that they touch is zero unless set otherwise.
  SyntheticCore& memory(PhysAddr address, ByteView bytes);
  SyntheticCore& memory(PhysAddr address, std::string_view text) {
    return memory(address, rig::as_bytes(text));
  }
  // The same, for an address on a page boundary.
  SyntheticCore& page(PhysAddr address, ByteView bytes) { return memory(address, bytes); }
  template <typename T>
  SyntheticCore& value(PhysAddr address, const T& value) {
    return memory(address, std::as_bytes(std::span(&value, 1)));
  }

  // The guest had this page, the dump has not (makedumpfile -d).
  SyntheticCore& excluded(PhysAddr page);

  SyntheticCore& vmcoreinfo(std::string_view text);
  // Another CPU: its NT_PRSTATUS descriptor, and QEMU's own note or nothing.
  SyntheticCore& prstatus(ByteView descriptor, ByteView qemu = {});
  // The same with a descriptor of the arch's size that holds only the CPU's pr_pid.
  SyntheticCore& prstatus_of_pid(std::uint32_t pid);

  // kdump only.
  SyntheticCore& block_size(std::uint32_t bytes);        // default 4096, QEMU/arm64 65536
  SyntheticCore& header_version(std::uint32_t version);  // default 6
  SyntheticCore& part(PhysAddr begin, PhysAddr end);     // one file of a split dump
  SyntheticCore& machine(std::string_view uts_machine);  // default by arch
  SyntheticCore& status(std::uint32_t flags);            // beside the compression

  std::string bytes(CoreFormat format) const;
  Status write(const fs::path& path, CoreFormat format, bool flattened = false) const;

 private:
  std::string elf_bytes() const;
  std::string kdump_bytes(CoreFormat format) const;
  std::string kdump_sub_area(std::uint64_t page_count) const;
  std::string kdump_pages(const std::map<std::uint64_t, std::string>& blocks, CoreFormat format,
                          std::uint64_t offset) const;
  std::string notes() const;

  Arch arch_ = Arch::kX86_64;
  std::map<std::uint64_t, std::string> pages_;  // by address; empty: zeros
  std::set<std::uint64_t> excluded_;
  std::optional<std::string> vmcoreinfo_;
  std::vector<std::pair<std::string, std::string>> cpus_;  // PRSTATUS, QEMU
  std::uint32_t block_size_ = 4096;
  std::uint32_t version_ = 6;
  std::uint32_t status_ = 0;
  std::optional<std::pair<std::uint64_t, std::uint64_t>> part_;
  std::optional<std::string> machine_;
};

// A small core of an x86_64 machine that crashed in no way that anything in it tells: VMCOREINFO,
// one CPU and one page. For whoever needs only that there is a core: fake_vm.core = minimal_core();
std::string minimal_core(std::string_view release = "6.1.0-test");

// A plain write: nothing that a test makes has to survive a power cut.
Status write_bytes(const fs::path& path, std::string_view bytes);

// The dump as a flattened stream of records of at most `record_size` bytes, end record included.
std::string flattened(std::string_view dump, std::size_t record_size = 16384);
// The parts of one: for streams with records out of order, overlapping or missing.
std::string flattened_header();
std::string flattened_record(std::uint64_t offset, std::string_view bytes);
std::string flattened_end();

}  // namespace rig::fakes
