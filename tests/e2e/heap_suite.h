// SPDX-License-Identifier: Apache-2.0
// The audit of the heap against a module that damages it on purpose: heap_suite.cc has the tests,
// and the programs that include this say which kernels they are made on.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>

namespace rig::e2e {

struct HeapSystem {
  std::string arch;
  std::string kernel = "debian-6.1";
  std::string detector = "none";  // of tests/e2e/scenarios/heap.yaml
  std::string variant = "plain";
  std::string capture = "qmp";
};
void PrintTo(const HeapSystem& system, std::ostream* out);
std::string heap_system_name(const testing::TestParamInfo<HeapSystem>& each);

// Many faults in one guest that nobody came upon: each is found, and nothing else.
class Heap : public testing::TestWithParam<HeapSystem> {};

}  // namespace rig::e2e
