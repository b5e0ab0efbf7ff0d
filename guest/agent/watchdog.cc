// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/watchdog.h"

#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "guest/agent/report.h"

namespace rig::guest {

// The driver starts it with open(), at a time of its own.
Done Watchdog::arm(const ArmWatchdog& request, WatchdogArmed& armed) {
  if (!fd_.valid()) fd_.reset(open(device_.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd_.valid()) return failure(errno, "open", device_);
  constexpr std::uint64_t kMost = std::numeric_limits<int>::max();
  int seconds = static_cast<int>(std::min(request.seconds, kMost));
  if (ioctl(fd_.get(), WDIOC_SETTIMEOUT, &seconds) != 0) {
    const Done done = failure(errno, "WDIOC_SETTIMEOUT", device_);
    disarm();
    return done;
  }
  feed();
  armed.seconds = static_cast<std::uint64_t>(seconds);
  return {};
}

void Watchdog::feed() {
  if (fd_.valid()) ioctl(fd_.get(), WDIOC_KEEPALIVE, 0);
}

// Closed without this letter, it would go on (WDIOF_MAGICCLOSE).
void Watchdog::disarm() {
  if (!fd_.valid()) return;
  if (write(fd_.get(), "V", 1) != 1) log(failure(errno, "disarm", device_).what);
  fd_.reset();
}

}  // namespace rig::guest
