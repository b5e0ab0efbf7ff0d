// SPDX-License-Identifier: Apache-2.0
// The analyzer against the kernel itself, whichever it is: truth_suite.cc has the tests, and the
// programs that include this say which kernels they are made on.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace rig::e2e {

// What a guest runs.
struct System {
  const char* arch;
  const char* kernel = "debian-6.1";
  // Debian's kernels for arm64 have no CONFIG_KALLSYMS_ALL: some variables have no names there.
  bool names_all_variables = std::string_view(arch) == "x86_64";
};
void PrintTo(const System& system, std::ostream* out);
std::string system_name(const testing::TestParamInfo<System>& each);

class Truth : public testing::TestWithParam<System> {};

// How an end looks from the CPU that panicked.
struct End {
  std::string variant;             // of tests/e2e/scenarios/truth.yaml
  std::vector<std::string> trace;  // functions that must be there, in this order
  std::string interrupted;         // a function that an exception interrupted
  std::string context;             // the innermost, in words
  System system = {.arch = ""};
};
void PrintTo(const End& end, std::ostream* out);
std::string end_name(const testing::TestParamInfo<End>& each);

// Of both architectures.
std::vector<End> ends_on(const char* kernel);

class TruthEnd : public testing::TestWithParam<End> {};

}  // namespace rig::e2e
