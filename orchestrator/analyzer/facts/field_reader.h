// SPDX-License-Identifier: Apache-2.0
// Members of the guest's structs by path ("task_struct.pid"), each looked up in the types once: for
// facts that read the same members of many objects.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

class FieldReader {
 public:
  explicit FieldReader(const Kernel& kernel) : kernel_(&kernel) {}

  const Kernel& kernel() const { return *kernel_; }

  std::optional<Member> member(std::string_view path) const;
  bool has(std::string_view path) const { return member(path).has_value(); }
  // Where the member of the struct at `object` lies.
  std::optional<VirtAddr> place(VirtAddr object, std::string_view path) const;
  // An integer, pointer or bit field, without and with sign.
  std::optional<std::uint64_t> value(VirtAddr object, std::string_view path) const;
  std::optional<std::int64_t> number(VirtAddr object, std::string_view path) const;
  // A pointer that is not NULL.
  std::optional<VirtAddr> pointer(VirtAddr object, std::string_view path) const;
  // A char array, and the text that a char * points to; empty when it cannot be read.
  std::string text(VirtAddr object, std::string_view path) const;
  std::string string(VirtAddr object, std::string_view path, std::uint64_t limit = 4096) const;
  // The first of the paths that this kernel has: members were renamed over the years.
  template <typename... Paths>
  std::optional<std::uint64_t> first_value(VirtAddr object, Paths... paths) const {
    std::optional<std::uint64_t> found;
    ((found = value(object, paths), found.has_value()) || ...);
    return found;
  }

 private:
  const Kernel* kernel_;
  mutable std::map<std::string, std::optional<Member>, std::less<>> members_;
};

}  // namespace rig::analyzer
