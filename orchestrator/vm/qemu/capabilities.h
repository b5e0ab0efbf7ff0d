// SPDX-License-Identifier: Apache-2.0
// What one QEMU binary has: CPU models, machine options, devices and their properties. QEMU itself
// is asked, through its monitor, without a machine (-machine none), and the answers are kept in the
// rig's cache as long as the binary is the same.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "vm/qemu/machine.h"

namespace rig::vm::qemu {

struct Capabilities {
  std::string binary;                       // "qemu-system-x86_64", for messages
  std::string version;                      // "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)"
  std::map<std::string, std::string> cpus;  // model -> type: "Nehalem" -> "Nehalem-x86_64-cpu"
  std::string machine;                      // what an alias stands for: "pc-q35-7.2"
  unsigned max_cpus = 0;                    // of that machine; 0: not told
  std::vector<std::string> machine_options;
  std::vector<std::string> devices;
  // Features that the model "max" is without: this accelerator cannot do them.
  std::vector<std::string> absent_features;
  // By type, of those that were asked for: CPU models and devices. Absent: QEMU does not tell (it
  // dies of the question for types whose module is not installed).
  std::map<std::string, std::optional<std::vector<std::string>>> properties;
};

// Answers and asks. The file is rewritten whenever something new was learned.
class CapabilitySource {
 public:
  // `identity`: of the binary; what was remembered of another one counts for nothing. `fresh`:
  // neither does the rest.
  static Result<CapabilitySource> open(const Machine& machine, const fs::path& program,
                                       std::string_view accelerator, std::string_view identity,
                                       const fs::path& cache, bool fresh,
                                       const std::stop_token& stop);
  // Of given answers; a type that they do not have is one that QEMU does not tell about.
  explicit CapabilitySource(Capabilities known) : known_(std::move(known)) {}

  const Capabilities& known() const { return known_; }
  Result<std::optional<std::vector<std::string>>> properties(const std::string& type);

 private:
  Capabilities known_;
  std::function<Status(Capabilities&, const std::string& type)> learn_;
};

// The cache's file. Nothing when it is of another QEMU, or is not what to_json() wrote.
std::string to_json(const Capabilities& capabilities, std::string_view identity);
std::optional<Capabilities> capabilities_from_json(std::string_view text,
                                                   std::string_view identity);

}  // namespace rig::vm::qemu
