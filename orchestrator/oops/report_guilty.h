// SPDX-License-Identifier: Apache-2.0
// The function that a report is about, out of all that it names.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oops/report_formats.h"
#include "oops/report_trail.h"

namespace rig::oops {

struct Guilty {
  Frame frame;         // as the kernel named it
  std::string title;   // the name that titles use for it
  bool intact = true;  // nothing in the way spoilt the search
};

// `named` is the function on the first line, if there is one.
std::optional<Guilty> find_guilty(const Start& start, const Trail& trail,
                                  const std::optional<Frame>& named);

// Where KMSAN's uninitialised memory came from.
std::optional<Guilty> find_origin(const Start& start, const Trail& trail);

// The innermost function that is no helper, wherever: better than none where nothing is certain.
std::optional<Guilty> best_guess(const Start& start, const Trail& trail,
                                 const std::optional<Frame>& named);

// True when a stack was announced and is missing, or none was and the format has one.
bool lacks_stack(const Start& start, const Trail& trail, std::size_t lines);

}  // namespace rig::oops
