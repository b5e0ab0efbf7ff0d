// SPDX-License-Identifier: Apache-2.0
// What a guest tells of itself, asked for piece by piece. Nothing of it can be trusted to be
// sensible: the checks only look for what they know.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rig::cmdline {

// Where a parameter "module.name" belongs.
enum class Home {
  kNoModule,  // the kernel has no module of that name, nor built-in code with this parameter
  kLoadable,  // a module that has to be loaded
  kBuiltIn,   // the kernel's own code has it, with or without a file in /sys
  kNotKnown,  // there is no list of this kernel's modules
};

class Evidence {
 public:
  virtual ~Evidence() = default;

  // The kernel's log since boot: lines with or without a time stamp.
  virtual std::string_view log() = 0;
  // A file of /proc, /sys or /run; nothing when the guest has no such file.
  virtual std::optional<std::string> file(const std::string& path) = 0;
  // eax, ebx, ecx, edx as the CPU gives them to anyone who asks, whatever the kernel makes of it.
  // Nothing on other architectures and for leaves that are not there.
  virtual std::optional<std::array<std::uint32_t, 4>> cpuid(std::uint32_t leaf) = 0;
  virtual Home home(std::string_view module, std::string_view parameter) = 0;
};

}  // namespace rig::cmdline
