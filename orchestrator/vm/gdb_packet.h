// SPDX-License-Identifier: Apache-2.0
// Packets of GDB's remote serial protocol, as QEMU's gdbstub speaks it: '$' payload '#' and two hex
// digits, the sum of the payload's bytes as sent. Source: GDB manual, "Remote Protocol: Overview".
// Pure: bytes in, packets out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rig::vm {

// The bytes of a packet; '$', '#', '}' and '*' in the payload are escaped.
std::string gdb_packet(std::string_view payload);

// Cuts a stream into packets. What breaks the framing is final: error() then says what it was.
class GdbDecoder {
 public:
  // QEMU answers with at most two digits for each byte of its 4096-byte buffers.
  static constexpr std::size_t kMaxPayload = std::size_t{16} << 10;

  void feed(std::string_view bytes);
  // The payload of the next whole packet, unescaped, repetitions written out.
  std::optional<std::string> next();
  const std::string& error() const { return error_; }

 private:
  std::optional<std::string> fail(std::string why);
  std::optional<std::string> decode(std::string_view body);

  std::string buffer_;
  std::string error_;
};

// Why the guest stopped.
struct GdbStop {
  static constexpr unsigned kTrap = 5;  // SIGTRAP: a breakpoint
  unsigned signal = 0;
  std::optional<unsigned> cpu;  // counted from 0; QEMU's threads are counted from 1
};

// "T05thread:01;" or "S05"; nothing for other packets.
std::optional<GdbStop> parse_gdb_stop(std::string_view payload);

// The 64-bit register at byte `offset` of a register dump, the answer to "g": two hex digits for
// each byte, little-endian. Nothing when the dump is too short or is not hex.
std::optional<std::uint64_t> gdb_register(std::string_view dump, std::size_t offset);

}  // namespace rig::vm
