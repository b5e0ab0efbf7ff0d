// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <cerrno>
#include <cstring>

namespace rig {

std::string_view to_string(Blame blame) {
  switch (blame) {
    case Blame::kInput:
      return "input";
    case Blame::kKernel:
      return "kernel";
    case Blame::kRig:
      return "rig";
    case Blame::kCancelled:
      return "cancelled";
  }
  return "rig";
}

std::string Error::message() const {
  return hint.empty() ? what : fmt::format("{} ({})", what, hint);
}

tl::unexpected<Error> wrap(std::string_view place, Error error) {
  error.what = fmt::format("{}: {}", place, error.what);
  return tl::unexpected<Error>(std::move(error));
}

tl::unexpected<Error> fail_errno(int error_number, std::string_view what, Blame blame) {
  const bool exhausted = error_number == EMFILE || error_number == ENFILE;
  return fail_hint(exhausted ? Blame::kRig : blame,
                   exhausted ? "raise `ulimit -n` or run fewer machines at once (-j)" : "",
                   "{}: {}", what, std::strerror(error_number));
}

}  // namespace rig
