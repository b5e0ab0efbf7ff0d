// SPDX-License-Identifier: Apache-2.0
//
// FindSymbols: the few lines of /proc/kallsyms that somebody asked for, of some 10 MB.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rig::guest {

// Takes the file in pieces. A line is "ADDRESS TYPE NAME", in modules with "\t[MODULE]" behind; it
// is kept if NAME is wanted, or is a wanted one that the compiler has given a suffix
// ("slab_bug.isra.0").
class SymbolFilter {
 public:
  SymbolFilter(std::vector<std::string> names, std::size_t limit)
      : names_(std::move(names)), limit_(limit) {}

  // False once the kept lines would exceed the limit.
  bool feed(std::string_view bytes) {
    while (!bytes.empty() && !full_) {
      const std::size_t end = bytes.find('\n');
      if (end == std::string_view::npos) {
        line_.append(bytes.substr(0, kMaxLine));
        break;
      }
      if (line_.empty()) {
        take(bytes.substr(0, end));
      } else {
        line_.append(bytes.substr(0, std::min(end, kMaxLine)));
        take(line_);
        line_.clear();
      }
      bytes.remove_prefix(end + 1);
    }
    return !full_;
  }

  const std::string& lines() const { return lines_; }

 private:
  static constexpr std::size_t kMaxLine = 1024;  // KSYM_NAME_LEN is 512

  bool wanted(std::string_view name) const {
    return std::any_of(names_.begin(), names_.end(), [&](const std::string& each) {
      return name.starts_with(each) && (name.size() == each.size() || name[each.size()] == '.');
    });
  }

  void take(std::string_view line) {
    std::string_view name = line;
    for (int field = 0; field < 2; ++field) {
      const std::size_t blank = name.find(' ');
      if (blank == std::string_view::npos) return;
      name.remove_prefix(blank + 1);
    }
    if (!wanted(name.substr(0, name.find('\t')))) return;
    full_ = lines_.size() + line.size() + 1 > limit_;
    if (!full_) lines_.append(line).append("\n");
  }

  std::vector<std::string> names_;
  std::size_t limit_;
  std::string line_;  // the start of one that is not complete yet
  std::string lines_;
  bool full_ = false;
};

}  // namespace rig::guest
