// SPDX-License-Identifier: Apache-2.0
#include "analyzer/core/notes.h"

#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {

constexpr std::uint32_t kPrstatus = 1;
constexpr std::uint64_t kPidOffset = 32;    // of pr_pid in struct elf_prstatus, both archs
constexpr std::size_t kCpuLimit = 1 << 14;  // more than any kernel supports (NR_CPUS <= 8192)

struct Note {
  std::uint32_t type = 0;
  std::string_view name;
  ByteView descriptor;
};

std::optional<Note> next_note(ByteReader& reader) {
  const auto name_size = reader.next<std::uint32_t>();
  const auto descriptor_size = reader.next<std::uint32_t>();
  const auto type = reader.next<std::uint32_t>();
  if (!name_size || !descriptor_size || !type) return std::nullopt;
  const auto name = reader.take(*name_size);
  if (!name || !reader.take(-*name_size & 3)) return std::nullopt;
  const auto descriptor = reader.take(*descriptor_size);
  if (!descriptor) return std::nullopt;
  // The last note need not be padded.
  reader.take(std::min<std::uint64_t>(-*descriptor_size & 3, reader.remaining()));
  const std::string_view text = as_text(*name);
  return Note{*type, text.substr(0, text.find('\0')), *descriptor};
}

CpuNote cpu_note(std::size_t index, ByteView prstatus) {
  CpuNote cpu;
  cpu.index = static_cast<unsigned>(index);
  cpu.pid = load<std::uint32_t>(prstatus, kPidOffset).value_or(0);
  cpu.prstatus.assign(prstatus.begin(), prstatus.end());
  return cpu;
}

}  // namespace

Notes parse_notes(ByteView bytes) {
  Notes notes;
  std::vector<ByteView> qemu;  // after all PRSTATUS notes, in the same order
  ByteReader reader(bytes);
  while (reader.remaining() >= 3 * sizeof(std::uint32_t)) {
    const std::size_t position = reader.position();
    const auto note = next_note(reader);
    if (!note) {
      notes.remarks.push_back(fmt::format("the notes are damaged at byte {}", position));
      break;
    }
    // The kernel reserves more room than it fills; the rest of such an area is zero.
    if (note->type == 0 && note->name.empty() && note->descriptor.empty()) continue;
    if (note->name == "CORE" && note->type == kPrstatus && notes.cpus.size() < kCpuLimit) {
      notes.cpus.push_back(cpu_note(notes.cpus.size(), note->descriptor));
    } else if (note->name == "QEMU" && note->type == 0 && qemu.size() < kCpuLimit) {
      qemu.push_back(note->descriptor);
    } else if (note->name == "VMCOREINFO" && note->descriptor.size() <= kMaxVmcoreinfo) {
      notes.vmcoreinfo = std::string(as_text(note->descriptor));
    }
  }
  for (std::size_t i = 0; i < std::min(qemu.size(), notes.cpus.size()); ++i) {
    notes.cpus[i].qemu.assign(qemu[i].begin(), qemu[i].end());
  }
  return notes;
}

}  // namespace rig::analyzer
