// SPDX-License-Identifier: Apache-2.0
// Whose a slab object is or was, by what it holds: every struct that could have been allocated
// there is compared with the content (facts/type_scorer.h), and the best one is named if it stands
// alone.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/facts/session.h"
#include "analyzer/facts/type_index.h"

namespace rig::analyzer {

struct Provenance {
  ProvenanceFacts facts;
  std::string now;      // what the object is used for now, where that is proven
  bool former = false;  // that is another use: the facts are of a former owner
};

// For several objects of one core. The session must outlive it.
class Identifier {
 public:
  // An error only as Session::kernel(), or Blame::kInput when the core has no types.
  static Result<Identifier> open(Session& session);
  Identifier(Identifier&&) noexcept;
  ~Identifier();

  // The object around `address`. Nothing: that lies in no slab. With `offset_in_question` the
  // member there, of the struct that is named, is given too.
  std::optional<Provenance> identify(VirtAddr address,
                                     std::optional<std::uint64_t> offset_in_question = {});

 private:
  struct State;
  explicit Identifier(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Of the object that the fault's bad value came from, when its use now is known to be another than
// that of whom its content tells.
std::vector<ProvenanceFacts> former_owners(Session& session);

}  // namespace rig::analyzer
