// SPDX-License-Identifier: Apache-2.0
// The kernel's types, read from the core: sizes and members of structs, without debuginfo. One pass
// finds where each type begins; everything else is decoded when it is asked for.
// Format: Documentation/bpf/btf.rst. Structs differ between kernels: ask for members, not versions.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/core/virt_memory.h"
#include "base/error.h"

namespace rig::analyzer {

// Where a member lies within the outermost struct of the path that was asked for.
struct Member {
  std::uint64_t offset = 0;  // bytes; of a bit field: of the first byte that holds some of it
  std::uint64_t size = 0;    // bytes that hold it
  unsigned bit_offset = 0;   // of a bit field: from the lowest bit of the first byte
  unsigned bit_size = 0;     // 0: no bit field
  std::uint32_t type = 0;    // BTF id, for who wants to go on
  std::optional<std::uint64_t> elements;  // of an array
};

// The numbers are BTF's own.
enum class TypeKind : std::uint8_t {
  kVoid = 0,
  kInt = 1,
  kPointer = 2,
  kArray = 3,
  kStruct = 4,
  kUnion = 5,
  kEnum = 6,
  kForward = 7,  // declared here, not known here: "struct foo;"
  kTypedef = 8,
  kVolatile = 9,
  kConst = 10,
  kRestrict = 11,
  kFunction = 12,
  kPrototype = 13,
  kVariable = 14,
  kSection = 15,
  kFloat = 16,
  kDeclTag = 17,
  kTypeTag = 18,
  kEnum64 = 19,
};

// One type as it is written. Views live as long as any copy of the Btf that gave them.
struct TypeInfo {
  std::uint32_t id = 0;
  TypeKind kind = TypeKind::kVoid;
  bool flag = false;        // kind_flag: of an enum: signed; of a forward: a union
  std::uint32_t count = 0;  // of members, enumerators, parameters, variables
  std::uint32_t word = 0;   // bytes, or the type that it refers to
  std::string_view name;
  ByteView tail;  // what follows the fixed part

  bool has_members() const { return kind == TypeKind::kStruct || kind == TypeKind::kUnion; }
  bool is_enum() const { return kind == TypeKind::kEnum || kind == TypeKind::kEnum64; }
};

struct TypeField {
  std::string_view name;  // empty: a struct or union whose members count as the owner's
  std::uint32_t type = 0;
  std::uint64_t bits = 0;  // from the start of the struct
  unsigned bit_size = 0;   // 0: no bit field
};

struct TypeEnumerator {
  std::string_view name;
  std::int64_t value = 0;
};

struct TypeArray {
  std::uint32_t element = 0;
  std::uint32_t count = 0;
};

struct TypeInteger {
  unsigned bits = 0;
  bool is_signed = false, is_char = false, is_bool = false;
};

struct TypeParameter {  // without name and type: "..."
  std::string_view name;
  std::uint32_t type = 0;
};

// A variable in its section: only per-CPU variables have them.
struct TypeVariable {
  std::string_view name;
  std::uint32_t type = 0;
  std::uint32_t offset = 0, size = 0;
};

// Cheap to copy: copies share what was parsed.
class Btf {
 public:
  // Blame::kInput when it is not BTF, or a type does not fit into it.
  static Result<Btf> parse(std::vector<std::byte> bytes);
  // A module's: its ids and strings continue those of `base`. Look-ups by name find the module's
  // own types first.
  static Result<Btf> parse_split(std::vector<std::byte> bytes, const Btf& base);

  // Of these types alone; a module's are counted from first_id() on.
  std::size_t type_count() const;
  std::uint32_t first_id() const;

  // Size in bytes of a struct, union, enum, integer or typedef, by name without "struct".
  std::optional<std::uint64_t> size_of(std::string_view type) const;

  // "sk_buff.end", "kmem_cache.oo.x"; members of anonymous structs and unions as if of the outer
  // one. Nothing when this kernel has no such type or no such member in any type of that name.
  std::optional<Member> member(std::string_view path) const;
  // The same from a struct that is known by its id: "end", "oo.x".
  std::optional<Member> member(std::uint32_t owner, std::string_view path) const;

  // The value of a constant of `enum type`.
  std::optional<std::int64_t> enumerator(std::string_view type, std::string_view name) const;

  // --- walking ---
  // Nothing for an id that does not exist. Id 0 is void.
  std::optional<TypeInfo> type(std::uint32_t id) const;
  // The type behind typedefs and qualifiers.
  std::optional<TypeInfo> resolved(std::uint32_t id) const;
  std::optional<std::uint64_t> size_of(std::uint32_t id) const;

  // Each is nothing when `owner` is of another kind, or has no such index.
  std::optional<TypeField> field(const TypeInfo& owner, std::uint32_t index) const;
  std::optional<TypeEnumerator> enumerator(const TypeInfo& owner, std::uint32_t index) const;
  std::optional<TypeArray> array(const TypeInfo& owner) const;
  std::optional<TypeInteger> integer(const TypeInfo& owner) const;
  std::optional<TypeParameter> parameter(const TypeInfo& owner, std::uint32_t index) const;
  std::optional<TypeVariable> variable(const TypeInfo& section, std::uint32_t index) const;

  // The ids of all structs, unions, enums, integers and typedefs of that name (there may be
  // several), of these types alone; a few at most.
  std::vector<std::uint32_t> named(std::string_view name) const;
  // One pass over all types: the first of that kind and name.
  std::optional<std::uint32_t> find(TypeKind kind, std::string_view name) const;

 private:
  struct Data;

  explicit Btf(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  static Result<Btf> parse(std::vector<std::byte> bytes, std::shared_ptr<const Data> base);

  std::optional<TypeField> find_field(const TypeInfo& owner, std::string_view name, unsigned depth,
                                      unsigned& budget) const;
  std::optional<Member> member_of(const TypeInfo& owner, std::string_view path) const;
  std::string_view string_at(std::uint32_t offset) const;
  // Calls `visit(type)` for each of that name until it returns true; a module's own first.
  template <typename Visit>
  void any_named(std::string_view name, Visit visit) const;

  std::shared_ptr<const Data> data_;
};

// The BTF that the kernel carries between __start_BTF and __stop_BTF.
Result<Btf> read_kernel_btf(const VirtMemory& memory, VirtAddr begin, VirtAddr end);

// An integer or pointer of up to 8 bytes, or a bit field, out of the bytes of its struct.
std::optional<std::uint64_t> extract(const Member& member, ByteView object);

}  // namespace rig::analyzer
