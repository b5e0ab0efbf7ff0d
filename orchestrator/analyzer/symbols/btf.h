// SPDX-License-Identifier: Apache-2.0
// The kernel's types, read from the core: sizes and members of structs, without debuginfo. One pass
// finds where each type begins; everything else is decoded when it is asked for.
// Format: Documentation/bpf/btf.rst. Structs differ between kernels: ask for members, not versions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/core/virt_memory.h"
#include "analyzer/symbols/name_index.h"
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

class Btf {
 public:
  // Blame::kInput when it is not BTF, or a type does not fit into it.
  static Result<Btf> parse(std::vector<std::byte> bytes);

  std::size_t type_count() const { return starts_.size(); }

  // Size in bytes of a struct, union, enum, integer or typedef, by name without "struct".
  std::optional<std::uint64_t> size_of(std::string_view type) const;

  // "sk_buff.end", "kmem_cache.oo.x"; members of anonymous structs and unions as if of the outer
  // one. Nothing when this kernel has no such type or no such member in any type of that name.
  std::optional<Member> member(std::string_view path) const;

  // The value of a constant of `enum type`.
  std::optional<std::int64_t> enumerator(std::string_view type, std::string_view name) const;

 private:
  // A type's fixed part. `start` is where it begins among the types.
  struct Type {
    std::string_view name;
    std::uint32_t kind = 0;
    std::uint32_t count = 0;  // vlen
    bool flag = false;        // kind_flag
    std::uint32_t word = 0;   // size or type
    std::uint64_t start = 0;
  };
  struct Field {
    std::string_view name;
    std::uint32_t type = 0;
    std::uint64_t bits = 0;  // from the start of the struct
    unsigned bit_size = 0;
  };

  std::optional<Type> type(std::uint32_t id) const;
  std::optional<Type> resolved(std::uint32_t id, std::uint32_t* final_id = nullptr) const;
  std::optional<Field> field(const Type& owner, std::uint32_t index) const;
  std::optional<std::uint64_t> size_of(std::uint32_t id) const;
  std::optional<Field> find_field(const Type& owner, std::string_view name, unsigned depth,
                                  unsigned& budget) const;
  std::optional<Member> member_of(const Type& owner, std::string_view path) const;
  std::string_view string_at(std::uint32_t offset) const;
  Status index_types();

  std::vector<std::byte> bytes_;
  ByteView types_;
  ByteView strings_;
  std::vector<std::uint32_t> starts_;  // of type id i + 1, within types_
  NameIndex names_;
};

// The BTF that the kernel carries between __start_BTF and __stop_BTF.
Result<Btf> read_kernel_btf(const VirtMemory& memory, VirtAddr begin, VirtAddr end);

// An integer or pointer of up to 8 bytes, or a bit field, out of the bytes of its struct.
std::optional<std::uint64_t> extract(const Member& member, ByteView object);

}  // namespace rig::analyzer
