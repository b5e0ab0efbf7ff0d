// SPDX-License-Identifier: Apache-2.0
// The start of an ELF dump as QEMU streams it: headers, then notes, then memory, of which nothing
// is wanted here. Source: QEMU dump/dump.c.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "vm/live.h"

namespace rig::vm::qemu {

class DumpHeaders {
 public:
  void feed(std::string_view bytes);

  // All that is wanted has come, or what came is no ELF dump.
  bool done() const { return damage_ || (needed_ != 0 && bytes_.size() >= needed_); }
  const std::optional<Error>& damage() const { return damage_; }

  // Once done() without damage: an ELF core whose PT_LOADs have no bytes, and what they are.
  std::string take_core(std::vector<LiveRange>& ranges);

 private:
  void look();
  void refuse(std::string_view why);

  std::string bytes_;
  std::uint64_t needed_ = 0;  // 0: not known yet
  std::optional<Error> damage_;
};

}  // namespace rig::vm::qemu
