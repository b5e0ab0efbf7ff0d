// SPDX-License-Identifier: Apache-2.0
// The C types of registers, without debuginfo: arguments and results of functions have them by BTF,
// and they spread through loads of members, additions and copies. What cannot be told has none.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "analyzer/code/activation.h"
#include "analyzer/code/member_path.h"

namespace rig::analyzer {

struct TypedValue {
  const Btf* types = nullptr;
  std::uint32_t type = 0;   // of a pointer: of what it points to; else its own
  bool is_pointer = false;  // of a pointer: so far into that:
  std::int64_t offset = 0;
  // Where it was loaded from: "sk_buff.head", and that struct's address where that is known.
  std::string member;
  std::optional<std::uint64_t> owner;
  std::string because;  // of a cast: "sk_buff.head + sk_buff.end"

  // "sk_buff", of a pointer to a struct.
  std::string pointee() const;
};

// Memory by its type.
struct TypedPlace {
  MemberPath member;
  const Btf* types = nullptr;
  std::string owner_type;              // "sk_buff"
  std::optional<std::uint64_t> owner;  // the struct's address
  std::string because;                 // as in TypedValue
  std::string through;                 // the member that led here: "kmem_cache.cpu_slab" ...
  std::optional<std::uint64_t> through_owner;  // ... and its struct's address
  std::optional<std::uint64_t> cast_owner;     // of what the cast was made of
  std::string cast_type;
};

class TypeFlow {
 public:
  explicit TypeFlow(Machine& machine) : machine_(machine) {}

  // Of a register before operation `at`.
  std::optional<TypedValue> type_of(Activation& in, std::uint32_t at, const Known& known,
                                    Register reg, unsigned depth = 10);
  // Of `size` bytes at that address.
  std::optional<TypedPlace> place(Activation& in, std::uint32_t at, const Known& known,
                                  const AddressForm& form, std::uint64_t size, unsigned depth = 10);
  // The name of a per-CPU variable of the kernel that an instruction reads.
  std::optional<std::string> per_cpu_variable(const AddressForm& form) const;
  // Does a function, by its prototype, take or give a pointer to that struct?
  bool speaks_of(const Function& function, std::string_view structure);

 private:
  struct Prototype {
    const Btf* types = nullptr;
    TypeInfo info;
  };
  using Key = std::tuple<const Activation*, std::uint32_t, Register>;

  std::optional<Prototype> prototype(const std::string& function, const Module* module);
  std::optional<TypedValue> typed(const Btf& types, std::uint32_t id) const;
  std::optional<TypedValue> argument(Activation& in, const Definition& entry, Register reg,
                                     unsigned depth);
  std::optional<TypedValue> result_of(Activation& in, const Operation& call);
  std::optional<TypedValue> set_by(Activation& in, const Definition& by, Register reg,
                                   unsigned depth);
  std::optional<TypedValue> loaded(Activation& in, const Definition& by, const Operation& each,
                                   std::uint64_t behind, unsigned depth);
  std::optional<TypedValue> term(Activation& in, const Definition& by, Register reg,
                                 unsigned depth);
  std::optional<TypedValue> sum(Activation& in, const Definition& by, const AddressForm& form,
                                unsigned depth);
  std::optional<TypedValue> add(const std::optional<TypedValue>& a,
                                const std::optional<TypedValue>& b) const;

  Machine& machine_;
  std::map<Key, std::optional<TypedValue>> known_;
  std::map<std::pair<std::string, const Module*>, std::optional<Prototype>> prototypes_;
};

}  // namespace rig::analyzer
