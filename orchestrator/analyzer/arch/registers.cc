// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/registers.h"

namespace rig::analyzer {

std::optional<std::uint64_t> register_value(std::span<const RegisterValue> registers,
                                            std::string_view name) {
  for (const RegisterValue& each : registers) {
    if (each.name == name) return each.value;
  }
  return std::nullopt;
}

std::optional<std::vector<RegisterValue>> decode_slots(std::span<const RegisterSlot> slots,
                                                       ByteView bytes) {
  std::vector<RegisterValue> registers;
  registers.reserve(slots.size());
  for (const RegisterSlot& slot : slots) {
    const auto value = load<std::uint64_t>(bytes, slot.offset);
    if (!value) return std::nullopt;
    registers.push_back({std::string(slot.name), *value});
  }
  return registers;
}

}  // namespace rig::analyzer
