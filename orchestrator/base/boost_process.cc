// SPDX-License-Identifier: Apache-2.0
// Boost.Process v2 compiled once (in 1.81 its header-only form lacks
// process_environment::on_setup).
#include <boost/process/v2/src.hpp>
