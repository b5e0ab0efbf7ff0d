// SPDX-License-Identifier: Apache-2.0
#include "analyzer/sleep_functions.h"

#include <algorithm>
#include <iterator>

namespace rig::analyzer {

// By how they begin: compilers make variants of them.
bool is_sleep_function(std::string_view function) {
  static constexpr std::string_view kFunctions[] = {
      "__schedule",  "schedule",          "io_schedule",     "__mutex_lock",       "mutex_lock",
      "rwsem_down_", "__wait_for_common", "wait_for_common", "wait_for_completion"};
  return std::any_of(std::begin(kFunctions), std::end(kFunctions),
                     [&](std::string_view each) { return function.starts_with(each); });
}

}  // namespace rig::analyzer
