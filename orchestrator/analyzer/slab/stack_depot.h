// SPDX-License-Identifier: Apache-2.0
// Stacks that the kernel keeps once and refers to by a handle: lib/stackdepot.c.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

class StackDepot {
 public:
  explicit StackDepot(const Kernel& kernel);

  // The stack, innermost first; a record proves itself by its own handle. Empty: there is none, or
  // this kernel does not say where its depot is.
  std::vector<CodeLocation> stack(std::uint32_t handle) const;

 private:
  std::vector<CodeLocation> record(VirtAddr at, std::uint32_t handle) const;

  const Kernel* kernel_;
  std::optional<VirtAddr> pools_;  // an array of pointers to them, or a pointer to that array
  std::optional<Member> index_, offset_, extra_;  // of union handle_parts
  std::uint64_t first_index_ = 0;
  std::optional<Member> size_, own_handle_, entries_;  // of struct stack_record
};

// A return address in words. The call is before it: the function may end there.
CodeLocation return_address(const Kernel& kernel, VirtAddr address);

}  // namespace rig::analyzer
