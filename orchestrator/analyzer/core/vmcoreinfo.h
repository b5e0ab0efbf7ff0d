// SPDX-License-Identifier: Apache-2.0
// VMCOREINFO: what the kernel itself tells dump tools, as "KEY=value" lines.
// Format: Documentation/admin-guide/kdump/vmcoreinfo.rst, kernel/crash_core.c.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"

namespace rig::analyzer {

class Vmcoreinfo {
 public:
  // Takes any text; lines that are not KEY=value are ignored.
  explicit Vmcoreinfo(std::string_view text);

  std::optional<std::string_view> value(std::string_view key) const;   // "OSRELEASE"
  std::optional<VirtAddr> symbol(std::string_view name) const;         // SYMBOL(name), hex
  std::optional<std::uint64_t> size(std::string_view type) const;      // SIZE(type), bytes
  std::optional<std::uint64_t> offset(std::string_view member) const;  // OFFSET(type.member)
  std::optional<std::int64_t> number(std::string_view name) const;     // NUMBER(name)
  std::optional<std::uint64_t> length(std::string_view name) const;    // LENGTH(name)
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace rig::analyzer
