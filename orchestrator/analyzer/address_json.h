// SPDX-License-Identifier: Apache-2.0
// What an address is, in JSON.
#pragma once

#include <boost/json.hpp>

#include "analyzer/address_facts.h"

namespace rig::analyzer {

boost::json::object address_json(const AddressFacts& facts);

}  // namespace rig::analyzer
