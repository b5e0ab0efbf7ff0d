// SPDX-License-Identifier: Apache-2.0
#include "commands/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace rig::commands {

Status print_out(std::string_view text) {
  const bool whole = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (whole && std::fflush(stdout) == 0) return {};
  if (errno == EPIPE) return {};
  return fail_errno(errno, "cannot write to standard output");
}

bool draws(std::FILE* stream) {
  const char* terminal = std::getenv("TERM");
  return ::isatty(::fileno(stream)) != 0 && terminal != nullptr &&
         std::string_view(terminal) != "dumb";
}

bool colours(std::FILE* stream) {
  const char* no_colour = std::getenv("NO_COLOR");
  return draws(stream) && (no_colour == nullptr || *no_colour == '\0');
}

}  // namespace rig::commands
