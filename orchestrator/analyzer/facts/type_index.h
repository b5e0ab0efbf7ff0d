// SPDX-License-Identifier: Apache-2.0
// All types of the kernel and of its modules, by what an object's content can be compared with:
// structs by their size, functions by their name and prototype. One pass over all types.
#pragma once

#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

struct StructRef {
  const Btf* types = nullptr;
  const Module* module = nullptr;  // null: the kernel's own
  std::uint32_t id = 0;
  std::uint64_t size = 0;
  bool open_ended = false;  // its last member is an array without a length: it may be larger
};

class TypeIndex {
 public:
  // Empty for a kernel without types. `kernel` must outlive it.
  explicit TypeIndex(const Kernel& kernel);

  // Structs with a name of `least` to `most` bytes, and open-ended ones of at most `most`; of
  // modules smaller ones too, down to `least_of_modules`.
  std::vector<StructRef> structs(std::uint64_t least, std::uint64_t most,
                                 std::uint64_t least_of_modules) const;

  // How many bits it tells that a function of that name has the prototype `id` of `types`: rare
  // ones tell more. 0: it has another one; nothing: the types do not know the function.
  std::optional<double> prototype_bits(std::string_view function, const Module* module,
                                       const Btf& types, std::uint32_t id) const;

 private:
  struct Source {
    const Btf* types = nullptr;
    const Module* module = nullptr;
  };
  struct Function {
    std::uint32_t hash = 0, id = 0;
    std::uint16_t source = 0;
  };

  void add(const Source& source);
  static bool is_open_ended(const Btf& types, const TypeInfo& type);

  std::vector<Source> sources_;
  std::vector<StructRef> structs_;                           // by size
  std::vector<Function> functions_;                          // by hash
  std::unordered_map<std::uint64_t, std::uint32_t> common_;  // functions, by their prototype's key
};

// Whether two prototypes, each of its own types, declare the same function: qualifiers and names of
// parameters do not count, structs are the same when they have the same name.
bool same_prototype(const Btf& a_types, std::uint32_t a, const Btf& b_types, std::uint32_t b);

}  // namespace rig::analyzer
