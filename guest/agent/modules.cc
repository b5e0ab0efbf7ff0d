// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/modules.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "guest/agent/cmdline_params.h"
#include "guest/agent/files.h"
#include "guest/agent/report.h"
#include "guest/agent/unique_fd.h"

namespace rig::guest {
namespace {

// Takes the next line off `text`.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

}  // namespace

Done load_module(const std::string& path, const std::string& params) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return failure(errno, "open", path);
  if (syscall(SYS_finit_module, fd.get(), params.c_str(), 0) != 0) {
    return failure(errno, "finit_module", path);
  }
  return {};
}

std::vector<std::string> load_listed_modules() {
  std::string list;
  if (const Done done = read_small_file(kModuleListPath, list); failed(done)) {
    return {done.what};
  }
  std::string cmdline;
  if (const Done done = read_small_file("/proc/cmdline", cmdline); failed(done)) log(done.what);
  std::vector<std::string> errors;
  for (std::string_view rest = list; !rest.empty();) {
    const std::string_view line = take_line(rest);
    if (line.empty() || line.front() == '#') continue;
    const std::size_t space = line.find(' ');
    const std::string path(line.substr(0, space));
    std::string params(space == std::string_view::npos ? "" : line.substr(space + 1));
    params += " " + params_on_cmdline(cmdline, path);
    const Done done = load_module(path, params);
    if (!failed(done) || done.error == EEXIST) continue;
    log(done.what);
    errors.push_back(done.what);
  }
  return errors;
}

}  // namespace rig::guest
