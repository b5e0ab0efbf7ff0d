// SPDX-License-Identifier: Apache-2.0
// A guest that tells what a test wants.
#pragma once

#include <map>
#include <string>

#include "cmdline/check.h"

namespace rig::cmdline {

class FakeEvidence : public Evidence {
 public:
  std::string log_text;
  std::map<std::string, std::string> files;
  std::map<std::uint32_t, std::array<std::uint32_t, 4>> leaves;
  Home where = Home::kNotKnown;

  std::string_view log() override { return log_text; }
  std::optional<std::string> file(const std::string& path) override {
    const auto found = files.find(path);
    return found == files.end() ? std::nullopt : std::optional(found->second);
  }
  std::optional<std::array<std::uint32_t, 4>> cpuid(std::uint32_t leaf) override {
    const auto found = leaves.find(leaf);
    return found == leaves.end() ? std::nullopt : std::optional(found->second);
  }
  Home home(std::string_view, std::string_view) override { return where; }

  // A guest that was booted with `cmdline`: what became of its only parameter.
  Effect check(const std::string& cmdline) {
    files["/proc/cmdline"] = cmdline + "\n";
    const auto effects = check_cmdline(cmdline, *this);
    return effects.size() == 1 ? effects[0] : Effect{"not one parameter", State::kUnknown, ""};
  }
  State state(const std::string& cmdline) { return check(cmdline).state; }
};

}  // namespace rig::cmdline
