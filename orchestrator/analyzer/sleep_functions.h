// SPDX-License-Identifier: Apache-2.0
// Functions through which every task goes to sleep: what it waits for stands behind them.
#pragma once

#include <string_view>

namespace rig::analyzer {

bool is_sleep_function(std::string_view function);

}  // namespace rig::analyzer
