// SPDX-License-Identifier: Apache-2.0
// How well an object's content goes with a struct: every member is compared with what lies where it
// would be. Weights are bits, that is how unlikely such a coincidence is (1 bit: one in two):
//   a function of the member's prototype     3 + how rare that prototype is (1 to 12)
//     ... and of the struct's own module     3 more
//   a list_head that points to itself, or whose neighbours point back  7; taken off a list  6
//   a hlist_node, rb_node with neighbours that point back             6; 5
//   a pointer to an object of the cache that is named after its type  6; of exactly its size  4
//   a pointer to a loaded struct module 8; to a symbol called ..._ops of a struct ..._operations  5
// Against it speak values that the member cannot have: a pointer that is no address, a bool of
// 0x42.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analyzer/facts/object_words.h"
#include "analyzer/facts/type_index.h"
#include "analyzer/heap_facts.h"

namespace rig::analyzer {

// What a piece of evidence is worth beyond its bits.
enum class Force : std::uint8_t {
  kWeak,
  kCommon,    // says what is there (a list_head, a work_struct), not what struct that is in
  kSpecific,  // few structs have such a member there
};

struct TypeScore {
  double weak = 0, common = 0, specific = 0;  // for it
  double against = 0;

  double sum() const { return weak + common + specific - against; }
  TypeScore& operator+=(const TypeScore& other);
};

class TypeScorer {
 public:
  // Both must outlive it.
  TypeScorer(const TypeIndex& index, ObjectWords& words) : index_(index), words_(words) {}

  // `evidence`: for whoever wants to be told what the score is made of, for and against.
  TypeScore score(const StructRef& candidate, std::vector<TypeEvidence>* evidence = nullptr);

 private:
  TypeScore members(const TypeInfo& owner, std::uint64_t base, unsigned depth);
  TypeScore any_of(const TypeInfo& owner, std::uint64_t base, unsigned depth);
  TypeScore named(std::string_view name, std::uint32_t type, std::uint64_t at, unsigned depth);
  TypeScore value(std::uint32_t type, std::uint64_t at, unsigned depth);
  TypeScore array(const TypeInfo& type, std::uint64_t at, unsigned depth);
  TypeScore structure(const TypeInfo& type, std::uint64_t at, unsigned depth);

  std::optional<TypeScore> well_known(std::string_view name, std::uint64_t at);
  TypeScore list_head(std::uint64_t at);
  TypeScore hlist_node(std::uint64_t at);
  TypeScore rb_node(std::uint64_t at);
  TypeScore counter(std::uint64_t at, std::uint32_t most, std::string_view what);

  TypeScore pointer(const TypeInfo& type, std::uint64_t at);
  TypeScore function(const TypeInfo& pointer, std::uint32_t prototype, std::uint64_t at);
  TypeScore slab_pointer(const TypeInfo& target, std::uint64_t at,
                         const ObjectWords::SlabPlace& place);
  TypeScore static_pointer(const TypeInfo& target, std::uint64_t at);
  TypeScore own_pointer(const TypeInfo& target, std::uint64_t at);
  TypeScore number(const TypeInfo& type, std::uint64_t at, std::uint64_t size);
  TypeScore enumeration(const TypeInfo& type, std::uint64_t at);

  bool holds(const TypeInfo& owner, std::uint64_t offset, std::string_view name, unsigned depth);

  // One piece of evidence; `words` is only called when somebody wants to read it.
  template <typename Words>
  TypeScore tell(std::uint64_t at, double weight, Force force, Words words) {
    if (evidence_) evidence_->push_back({at, path_, words(), weight});
    if (weight < 0) return {0, 0, 0, -weight};
    return {force == Force::kWeak ? weight : 0, force == Force::kCommon ? weight : 0,
            force == Force::kSpecific ? weight : 0, 0};
  }

  const TypeIndex& index_;
  ObjectWords& words_;
  const StructRef* candidate_ = nullptr;
  std::vector<TypeEvidence>* evidence_ = nullptr;
  std::string path_;
  unsigned budget_ = 0;
  bool in_delayed_work_ = false;
  bool in_common_ = false;  // within a struct that many others have
};

}  // namespace rig::analyzer
