// SPDX-License-Identifier: Apache-2.0
//
// `--set PATH=VALUE`: knobs of the kernel that a load sets before it begins, when the boot is over.
#pragma once

#include <string>
#include <vector>

#include "guest/stress/load.h"
#include "guest/stress/options.h"

namespace rig::guest {

// Writes all of `text` by one call. 0 or errno.
int write_once(const std::string& path, const std::string& text);

class KernelSettings {
 public:
  void declare(Options& options) { options.texts("--set", "PATH=VALUE", given_); }
  // What is wrong with what was given, or "".
  std::string problem() const;
  // False: one was refused, and the load has failed to set up.
  bool apply(Load& load) const;

 private:
  std::vector<std::string> given_;
};

}  // namespace rig::guest
