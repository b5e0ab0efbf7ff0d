// SPDX-License-Identifier: Apache-2.0
// Reads one map of the scenario format (format.h). Its table and the code that reads it cannot
// drift apart: a key that is not in the table does not compile, nor does find() of one that must be
// given; one that the code never asks for is a problem of every file with such a map.
#pragma once

#include <string>
#include <utility>

#include "scenario/format.h"
#include "scenario/schema_reader.h"

namespace rig::scenario {

// The name of a key of this section that must be given, or need not.
template <const format::Section& kSection, bool kRequired>
struct KeyName {
  std::string_view name;

  consteval KeyName(const char* written) : name(written) {
    const format::Key* key = kSection.find(written);
    if (key == nullptr) throw "the section has no such key";
    if (key->required() != kRequired)
      throw "require() what the table calls required, find() others";
  }
};

template <const format::Section& kSection>
class SectionReader {
 public:
  // `what` is how messages call the map.
  SectionReader(const Node& node, std::string what, Problems& problems)
      : map_(node, std::move(what), problems) {}

  // The key's value, or null if it is not given.
  const Node* find(KeyName<kSection, false> key) { return map_.find(key.name); }
  // The same; a key that is not given is a problem.
  const Node* require(KeyName<kSection, true> key) { return map_.require(key.name); }
  void finish() {
    for (const format::Key& key : kSection.keys) map_.expect_asked(key.name);
    map_.finish();
  }

 private:
  MapReader map_;
};

}  // namespace rig::scenario
