// SPDX-License-Identifier: Apache-2.0
// Assembled code for tests, as objdump shows it: bytes of x86_64, words of arm64.
#pragma once

#include <initializer_list>
#include <vector>

#include "analyzer/code/function.h"

namespace rig::analyzer::fake {

inline std::vector<std::byte> bytes_of(std::initializer_list<unsigned> values) {
  std::vector<std::byte> bytes;
  for (const unsigned each : values) bytes.push_back(static_cast<std::byte>(each));
  return bytes;
}

inline std::vector<std::byte> words_of(std::initializer_list<std::uint32_t> values) {
  std::vector<std::byte> bytes;
  for (const std::uint32_t each : values) {
    for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<std::byte>(each >> i * 8));
  }
  return bytes;
}

inline std::unique_ptr<Decoder> decoder_of(Arch arch) {
  return *instruction_set(arch).decoder();
}

inline Operation decoded(Arch arch, const std::vector<std::byte>& code,
                         VirtAddr at = VirtAddr{0x1000}) {
  return decoder_of(arch)->decode(code, at);
}

// The registers of `set`, as the kernel prints them: "RAX RBX".
inline std::string names(Arch arch, RegisterSet set) {
  std::string text;
  for (Register reg = 0; reg < kMaxRegisters; ++reg) {
    if ((set & set_of(reg)) == 0) continue;
    text += (text.empty() ? "" : " ") + std::string(instruction_set(arch).name(reg));
  }
  return text;
}

}  // namespace rig::analyzer::fake
