// SPDX-License-Identifier: Apache-2.0
// How the analyzer's facts are spelled in JSON, the same in findings and in answers.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/guest_facts.h"
#include "base/bytes.h"

namespace rig::analyzer {

// Addresses and register values are strings: JSON's numbers lose the lower bits of 64.
std::string hex(std::uint64_t value);
std::string hex(VirtAddr value);
std::string hex(ByteView bytes);  // without 0x

// The guest's text as valid UTF-8: what is not becomes \xNN, as dmesg shows it.
std::string utf8(std::string_view text);

template <typename T>
boost::json::value or_null(const std::optional<T>& value) {
  if (!value) return nullptr;
  return boost::json::value_from(*value);
}

template <typename T>
boost::json::value hex_or_null(const std::optional<T>& value) {
  if (!value) return nullptr;
  return boost::json::value(hex(*value));
}

template <typename T, typename Convert>
boost::json::array list(const std::vector<T>& values, Convert convert) {
  boost::json::array array;
  array.reserve(values.size());
  for (const T& each : values) array.push_back(convert(each));
  return array;
}

boost::json::value location_json(const std::optional<CodeLocation>& at);
boost::json::object registers_json(const std::vector<RegisterValue>& values);
boost::json::object frame_json(const BacktraceFrame& frame);
boost::json::object backtrace_json(const Backtrace& trace);
boost::json::value context_json(const std::optional<ContextFacts>& context);
boost::json::object system_json(const SystemFacts& facts);
boost::json::object task_json(const TaskFacts& facts);
boost::json::object wait_json(const WaitFacts& facts);
boost::json::object module_json(const ModuleFacts& facts);
boost::json::object mount_json(const MountFacts& facts);
boost::json::object open_file_json(const OpenFileFacts& facts);
boost::json::object task_files_json(const TaskFilesFacts& facts);
boost::json::object swap_json(const SwapFacts& facts);
boost::json::object memory_json(const MemoryFacts& facts);

}  // namespace rig::analyzer
