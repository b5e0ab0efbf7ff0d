// SPDX-License-Identifier: Apache-2.0
// Where a core comes from, for every verb that reads one: a file, and what helps to explain it.
#pragma once

#include <CLI/App.hpp>
#include <stop_token>
#include <string>
#include <vector>

#include "analyzer/facts/session.h"
#include "base/error.h"

namespace rig::commands {

struct CoreSource {
  std::string core;
  std::vector<std::string> parts;  // further ones of a dump that is split
  std::string debuginfo;           // empty: none
};

// CORE, the first positional argument, --part and --debuginfo.
void add_core_options(CLI::App& app, CoreSource& source);

// `stop`: see open_live_core().
Result<analyzer::Session> open_session(const CoreSource& source, std::stop_token stop = {});

}  // namespace rig::commands
