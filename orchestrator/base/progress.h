// SPDX-License-Identifier: Apache-2.0
// How long work tells what it is doing. Whoever shows it (live line, plain lines, nobody) decides
// how.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace rig {

struct Progress {
  std::string step;                // "fetch linux-image-6.1.0-56-amd64"
  std::optional<double> fraction;  // 0..1 where the end is known
  std::string detail;              // "12 of 70 MB", or empty
};

// Called from the thread that does the work, at most a few times a second. May be empty.
using ProgressSink = std::function<void(const Progress&)>;

inline void tell(const ProgressSink& sink, Progress progress) {
  if (sink) sink(progress);
}

}  // namespace rig
