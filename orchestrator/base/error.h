// SPDX-License-Identifier: Apache-2.0
// The one error system: Result<T> carries what failed, whose fault it is and what to do next.
// Absence is not an error: it is a std::optional inside the Result.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace rig {

// Whose fault an error is. It decides the exit code and whether a verdict may be drawn from it.
enum class Blame {
  kInput,   // the command line, a scenario, a kernel description, a file that is not a core: exit 2
  kKernel,  // the kernel under test or code injected into it: a result, not a failure of the rig
  kRig,     // the rig itself or the machine it runs on: exit 3, never a verdict on the kernel
  kCancelled,  // the user asked to stop (Ctrl-C): exit 130
};

std::string_view to_string(Blame blame);

struct Error {
  Blame blame = Blame::kRig;
  std::string what;  // one sentence without a full stop: "QMP: connection closed while dumping"
  std::string hint;  // the next step for the user, or empty

  // "what (hint)" for one-line output.
  std::string message() const;
};

template <typename T>
using Result = tl::expected<T, Error>;

using Status = Result<void>;

// return fail(Blame::kRig, "QMP: {} while dumping", reason);
template <typename... Args>
tl::unexpected<Error> fail(Blame blame, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{blame, fmt::format(format, std::forward<Args>(args)...), {}});
}

// The same with a next step: return fail_hint(Blame::kRig, "install qemu-system-x86", "no {}",
// name);
template <typename... Args>
tl::unexpected<Error> fail_hint(Blame blame, std::string hint, fmt::format_string<Args...> format,
                                Args&&... args) {
  return tl::unexpected<Error>(
      Error{blame, fmt::format(format, std::forward<Args>(args)...), std::move(hint)});
}

// Passes an error on with the place put before it: "kernels/x.yaml: " + what.
tl::unexpected<Error> wrap(std::string_view place, Error error);

// A system call's failure: "cannot open /x: No such file or directory". Blame defaults to the rig,
// and is the rig's in any case, with a hint, when this process or machine ran out of descriptors.
tl::unexpected<Error> fail_errno(int error_number, std::string_view what,
                                 Blame blame = Blame::kRig);

}  // namespace rig

#define RIG_CONCAT_INNER(a, b) a##b
#define RIG_CONCAT(a, b) RIG_CONCAT_INNER(a, b)

// RIG_TRY(expression): returns the error from the enclosing function, if there is one.
#define RIG_TRY(expression)                                               \
  do {                                                                    \
    if (auto rig_status = (expression); !rig_status) {                    \
      return tl::unexpected<::rig::Error>(std::move(rig_status).error()); \
    }                                                                     \
  } while (false)

// RIG_ASSIGN(auto core, Core::open(path)): declares or assigns the value, or returns the error.
#define RIG_ASSIGN(target, expression) \
  RIG_ASSIGN_INNER(RIG_CONCAT(rig_result_, __LINE__), target, expression)
#define RIG_ASSIGN_INNER(result, target, expression)                \
  auto result = (expression);                                       \
  if (!result) {                                                    \
    return tl::unexpected<::rig::Error>(std::move(result).error()); \
  }                                                                 \
  target = *std::move(result)
