// SPDX-License-Identifier: Apache-2.0
// BTF for tests, encoded by libbpf: our reader is checked against another hand's writer.
#pragma once

#include <bpf/btf.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/symbols/btf.h"

namespace rig::analyzer::fake {

class BtfBuilder {
 public:
  struct Field {
    std::string name;  // empty: anonymous
    int type = 0;
    unsigned offset = 0;    // bytes
    unsigned bit = 0;       // added to it
    unsigned bit_size = 0;  // 0: no bit field
  };

  BtfBuilder() : btf_(btf__new_empty(), btf__free) {}
  // A module's, whose ids continue those of `base`, which must outlive it.
  explicit BtfBuilder(const BtfBuilder& base)
      : btf_(btf__new_empty_split(base.btf_.get()), btf__free) {}
  BtfBuilder(BtfBuilder&&) = default;

  int integer(const char* name, unsigned size) { return btf__add_int(btf_.get(), name, size, 0); }
  int pointer(int to = 0) { return btf__add_ptr(btf_.get(), to); }
  int array(int of, unsigned count) {
    return btf__add_array(btf_.get(), integer("index", 4), of, count);
  }
  int alias(const char* name, int of) { return btf__add_typedef(btf_.get(), name, of); }
  int constant(int of) { return btf__add_const(btf_.get(), of); }
  int structure(const char* name, unsigned size, const std::vector<Field>& fields) {
    const int id = btf__add_struct(btf_.get(), name, size);
    add(fields);
    return id;
  }
  int a_union(const char* name, unsigned size, const std::vector<Field>& fields) {
    const int id = btf__add_union(btf_.get(), name, size);
    add(fields);
    return id;
  }
  int enumeration(const char* name, const std::vector<std::pair<std::string, int>>& values) {
    const int id = btf__add_enum(btf_.get(), name, 4);
    for (const auto& [text, value] : values) btf__add_enum_value(btf_.get(), text.c_str(), value);
    return id;
  }

  std::vector<std::byte> bytes() const {
    std::uint32_t size = 0;
    const auto* data = static_cast<const std::byte*>(btf__raw_data(btf_.get(), &size));
    return {data, data + size};
  }
  Btf build() const { return *Btf::parse(bytes()); }
  btf* raw() { return btf_.get(); }

 private:
  void add(const std::vector<Field>& fields) {
    for (const Field& each : fields) {
      btf__add_field(btf_.get(), each.name.empty() ? nullptr : each.name.c_str(), each.type,
                     each.offset * 8 + each.bit, each.bit_size);
    }
  }

  std::unique_ptr<btf, decltype(&btf__free)> btf_;
};

}  // namespace rig::analyzer::fake
