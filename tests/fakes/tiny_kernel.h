// SPDX-License-Identifier: Apache-2.0
// A kernel of a few bytes that a real QEMU boots: it prints a text on the first serial port and
// then does one thing. For tests of a backend that need no Linux. x86_64 through PVH: an ELF note
// "Xen", type 18, holds the 32-bit entry point (Xen docs/misc/pvh, x86/HVM direct boot ABI). arm64
// as a raw image, entered at its start with the MMU off.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/arch.h"

namespace rig::fakes {

enum class TinyEnd {
  kSpin,      // jmp to itself
  kPowerOff,  // ACPI soft-off through q35's PM1a control port; PSCI SYSTEM_OFF
  kReset,     // through the reset control register at 0xcf9; PSCI SYSTEM_RESET
  kPrint,     // the text again, for ever
};

namespace detail {

inline void put_le(std::string& out, unsigned long long value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}

// PSCI: Arm DEN 0022; virt's PL011 is at 0x9000000.
inline std::string tiny_arm64(std::string_view text, TinyEnd end) {
  constexpr std::size_t kText = 0x40;
  std::string image;
  const auto add = [&](std::initializer_list<unsigned> instructions) {
    for (const unsigned instruction : instructions) put_le(image, instruction, 4);
  };
  add({0x10000201,    // adr x1, text
       0xd2a12002,    // mov x2, 0x9000000
       0x38401423,    // next: ldrb w3, [x1], 1
       0x34000063,    // cbz w3, end
       0xb9000043,    // str w3, [x2]
       0x17fffffd});  // b next
  switch (end) {
    case TinyEnd::kSpin:
      break;
    case TinyEnd::kPowerOff:
      add({0x52b08000, 0x72800100, 0xd4000002});  // mov w0, 0x84000008; hvc 0
      break;
    case TinyEnd::kReset:
      add({0x52b08000, 0x72800120, 0xd4000002});  // mov w0, 0x84000009; hvc 0
      break;
    case TinyEnd::kPrint:
      add({0x17fffffa});  // b to the start
      break;
  }
  add({0x14000000});  // b to itself
  image.resize(kText);
  return image.append(text) + '\0';
}

inline std::string tiny_x86_64(std::string_view text, TinyEnd end) {
  using namespace std::string_literals;
  using namespace std::string_view_literals;
  constexpr unsigned kLoad = 0x100000;
  constexpr unsigned kCode = 0x200;  // offset in the file and from kLoad
  constexpr unsigned kText = 0x280;

  std::string code;
  code += "\xbe"sv;  // mov text, esi
  put_le(code, kLoad + kText, 4);
  code += "\xb9"sv;  // mov size, ecx
  put_le(code, text.size(), 4);
  code += "\x66\xba\xf8\x03"sv;  // mov 0x3f8, dx
  code += "\xf3\x6e"sv;          // rep outsb
  switch (end) {
    case TinyEnd::kSpin:
      code += "\xeb\xfe"sv;
      break;
    case TinyEnd::kPowerOff:
      code += "\x66\xba\x04\x06\x66\xb8\x00\x20\x66\xef\xeb\xfe"sv;  // outw 0x2000 to 0x604
      break;
    case TinyEnd::kReset:
      code += "\x66\xba\xf9\x0c\xb0\x06\xee\xeb\xfe"sv;  // outb 6 to 0xcf9
      break;
    case TinyEnd::kPrint:
      code += "\xeb\xee"sv;  // back to the start: 16 bytes and this jump
      break;
  }

  std::string file =
      "\x7f"
      "ELF\x02\x01\x01"s;
  file.resize(16);
  put_le(file, 2, 2);   // an executable
  put_le(file, 62, 2);  // for x86_64
  put_le(file, 1, 4);
  put_le(file, kLoad + kCode, 8);  // entry
  put_le(file, 64, 8);             // program headers follow
  put_le(file, 0, 8);
  put_le(file, 0, 4);
  for (const unsigned field : {64u, 56u, 2u, 64u, 0u, 0u}) put_le(file, field, 2);
  const auto header = [&](unsigned type, unsigned offset, unsigned long long size) {
    put_le(file, type, 4);
    put_le(file, 7, 4);
    for (const unsigned long long field :
         {0ull + offset, 0ull + kLoad + offset, 0ull + kLoad + offset, size, size, 4ull}) {
      put_le(file, field, 8);
    }
  };
  header(1, 0, kText + text.size());
  header(4, 0x1c0, 20);
  file.resize(0x1c0);
  put_le(file, 4, 4);
  put_le(file, 4, 4);
  put_le(file, 18, 4);
  file += "Xen\0"sv;
  put_le(file, kLoad + kCode, 4);
  file.resize(kCode);
  file += code;
  file.resize(kText);
  return file.append(text);
}

}  // namespace detail

inline std::string tiny_kernel(std::string_view text, TinyEnd end, Arch arch = Arch::kX86_64) {
  return arch == Arch::kArm64 ? detail::tiny_arm64(text, end) : detail::tiny_x86_64(text, end);
}

}  // namespace rig::fakes
