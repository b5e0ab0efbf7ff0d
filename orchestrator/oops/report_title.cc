// SPDX-License-Identifier: Apache-2.0
#include "oops/report_title.h"

#include <cxxabi.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "oops/report_pattern.h"
#include "oops/rust_name.h"

namespace rig::oops {
namespace {

constexpr std::size_t kMaxTitle = 120;

constexpr std::array<std::string_view, 15> kPrefixes = {
    "SYSC_",     "SyS_",      "sys_",         "__x64_",      "__ia32_",
    "__arm64_",  "____sys_",  "___sys_",      "__sys_",      "__se_",
    "__se_sys_", "__do_sys_", "compat_SYSC_", "compat_SyS_", "ksys_"};

struct Rule {
  Pattern pattern;
  std::string_view replacement;
};

// In this order: what an address is must be known before what a number is.
const std::array<Rule, 8>& rules() {
  static const std::array<Rule, 8> all = {{
      // the fuzzer's processes are numbered
      {Pattern(R"((syz-executor|syzkaller)\.?\d+(?:[/:]\d+)?)"), R"(\1)"},
      {Pattern(R"(([^a-zA-Z0-9])(?:0x)?[0-9a-f]{6,})"), R"(\1ADDR)"},
      {Pattern(R"(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})"), "IP"},
      {Pattern(R"((\.\w+)(?::\d+)+)"), R"(\1:LINE)"},
      {Pattern(R"(([a-zA-Z][a-zA-Z0-9_.]+)\+0x[0-9a-z]+/0x[0-9a-z]+)"), R"(\1)"},
      {Pattern(R"(CPU#\d+)"), "CPU"},
      {Pattern(R"((\W)\d+(\W|$))"), R"(\1NUM\2)"},
      {Pattern(R"(\d{7,})"), "NUM"},
  }};
  return all;
}

// C++ names of modules that are built so; without parameters.
std::string demangled(std::string_view function) {
  if (auto name = rust_name(function)) return std::move(*name);
  if (!function.starts_with("_Z")) return std::string(function);
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(std::string(function).c_str(), nullptr, nullptr, &status), &std::free);
  if (status != 0 || name == nullptr) return std::string(function);
  const std::string_view whole = name.get();
  return std::string(whole.substr(0, whole.find('(')));
}

}  // namespace

std::string readable_name(std::string_view function) {
  return demangled(function);
}

std::string title_name(std::string_view function) {
  const std::string whole = demangled(function);
  std::size_t longest = 0;
  for (const std::string_view prefix : kPrefixes) {
    if (whole.starts_with(prefix)) longest = std::max(longest, prefix.size());
  }
  return whole.substr(longest);
}

std::vector<std::string> possible_names(std::string_view function) {
  const std::string whole = demangled(function);
  std::vector<std::string> names = {whole};
  for (const std::string_view prefix : kPrefixes) {
    if (whole.starts_with(prefix)) names.push_back(whole.substr(prefix.size()));
  }
  return names;
}

std::string normalised(std::string title) {
  if (title.size() > 4 * kMaxTitle) title.resize(4 * kMaxTitle);
  for (const Rule& rule : rules()) {
    // Matches may share a character, "0,1,2": again until nothing is left.
    for (std::size_t round = 0;
         round < kMaxTitle && rule.pattern.replace(title, rule.replacement);) {
      ++round;
    }
  }
  std::string out;
  for (const char c : std::string_view(title).substr(0, kMaxTitle)) {
    const char plain = c == '\t' ? ' ' : c;
    if (plain < ' ' || plain > '~') continue;
    if (plain == ' ' && (out.empty() || out.back() == ' ')) continue;
    out += plain;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace rig::oops
