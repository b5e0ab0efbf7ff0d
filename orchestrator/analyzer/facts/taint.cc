// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/taint.h"

#include <fmt/format.h>

namespace rig::analyzer {
namespace {

struct KnownTaint {
  char letter;
  std::string_view meaning;
};
// By bit: bits are only ever added.
constexpr KnownTaint kTaints[] = {
    {'P', "proprietary module was loaded"},
    {'F', "module was force loaded"},
    {'S', "kernel running on an out of specification system"},
    {'R', "module was force unloaded"},
    {'M', "processor reported a Machine Check Exception"},
    {'B', "bad page referenced or some unexpected page flags"},
    {'U', "taint requested by a userspace application"},
    {'D', "kernel died recently: there was an OOPS or BUG"},
    {'A', "an ACPI table was overridden by the user"},
    {'W', "kernel issued a warning"},
    {'C', "staging driver was loaded"},
    {'I', "workaround for a bug in the platform firmware applied"},
    {'O', "externally-built (out-of-tree) module was loaded"},
    {'E', "unsigned module was loaded"},
    {'L', "soft lockup occurred"},
    {'K', "kernel has been live patched"},
    {'X', "auxiliary taint, defined by the distribution"},
    {'T', "kernel was built with the struct randomization plugin"},
    {'N', "an in-kernel test has been run"},
    {'J', "userspace used a mutating debug operation in fwctl"},
};
constexpr unsigned kBits = 64;

}  // namespace

std::vector<TaintFlag> taint_flags(std::uint64_t mask) {
  std::vector<TaintFlag> flags;
  for (unsigned bit = 0; bit < kBits; ++bit) {
    if ((mask >> bit & 1) == 0) continue;
    if (bit < std::size(kTaints)) {
      flags.push_back({kTaints[bit].letter, std::string(kTaints[bit].meaning)});
    } else {
      flags.push_back({'?', fmt::format("bit {}, which is not known", bit)});
    }
  }
  return flags;
}

std::vector<TaintFlag> taint_flags(std::string_view letters) {
  std::vector<TaintFlag> flags;
  for (const KnownTaint& each : kTaints) {
    if (letters.find(each.letter) == std::string_view::npos) continue;
    flags.push_back({each.letter, std::string(each.meaning)});
  }
  return flags;
}

std::string taint_letters(std::uint64_t mask) {
  std::string letters;
  for (const TaintFlag& each : taint_flags(mask)) letters += each.letter;
  return letters;
}

}  // namespace rig::analyzer
