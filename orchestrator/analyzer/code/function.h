// SPDX-License-Identifier: Apache-2.0
// One function's instructions as they lie in memory, and how control may come to each of them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analyzer/code/instruction_set.h"
#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

// Control may come from the operation `from`: by its branch or jump, or behind it.
struct Edge {
  std::uint32_t from = 0;
  bool taken = false;
};

class Function {
 public:
  // The function around `address`, by the symbols around it. Nothing where there is none, its code
  // is not in the core, or it is larger than any function is.
  static std::optional<Function> read(const Kernel& kernel, Decoder& decoder, VirtAddr address);
  // From its code; for tests too.
  Function(std::string name, VirtAddr begin, ByteView code, Decoder& decoder);

  const std::string& name() const { return name_; }
  const Module* module() const { return module_; }  // null: the kernel's own
  VirtAddr begin() const { return begin_; }
  const std::vector<Operation>& operations() const { return operations_; }
  const Operation& operator[](std::uint32_t index) const { return operations_[index]; }

  // The operation at exactly that address, or that ends there.
  std::optional<std::uint32_t> at(VirtAddr address) const;
  std::optional<std::uint32_t> ending_at(VirtAddr address) const;

  // From where operation `index` can be reached within the function.
  std::span<const Edge> edges_to(std::uint32_t index) const;
  // Is `store` the only one that puts something at that distance from its base register? Then what
  // lies there is what it put there.
  bool stores_alone(const Operation& store) const;

 private:
  void connect();
  void take_over_tests();

  std::string name_;
  VirtAddr begin_{};
  const Module* module_ = nullptr;
  std::vector<Operation> operations_;
  std::vector<Edge> edges_;                // by where they lead
  std::vector<std::uint32_t> first_edge_;  // of each operation, and one more
};

}  // namespace rig::analyzer
