// SPDX-License-Identifier: Apache-2.0
#include "guest/stress/settings.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace rig::guest {

int write_once(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const ssize_t written = write(fd, text.data(), text.size());
  const int error = written < 0 ? errno : 0;
  close(fd);
  return error != 0 || static_cast<std::size_t>(written) == text.size() ? error : EIO;
}

std::string KernelSettings::problem() const {
  for (const std::string& each : given_) {
    if (each.find('=') == std::string::npos) {
      return "--set is PATH=VALUE, and not '" + each + "'";
    }
  }
  return {};
}

bool KernelSettings::apply(Load& load) const {
  for (const std::string& each : given_) {
    const std::size_t equals = each.find('=');
    const std::string path = each.substr(0, equals);
    const int error = write_once(path, each.substr(equals + 1));
    if (error != 0) return load.fail_setup(path.c_str(), error), false;
  }
  return true;
}

}  // namespace rig::guest
