// SPDX-License-Identifier: Apache-2.0
// Boost.JSON values as text that people read too. Internal to store/.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

namespace rig::store {

// Indented, ends with a newline; seconds keep three digits.
std::string pretty(const boost::json::value& value);

// The text with every byte that is not UTF-8 replaced by U+FFFD: consoles and guests lie, and a
// JSON document with such a byte could not be read back.
std::string to_utf8(std::string_view text);

}  // namespace rig::store
