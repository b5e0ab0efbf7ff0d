// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/channel.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "guest/agent/crash_kernel.h"
#include "guest/agent/files.h"

namespace rig::guest {
namespace {

constexpr char kPortsFolder[] = "/sys/class/virtio-ports/";

// devtmpfs knows a port by number only (/dev/vport1p1); its name is in sysfs. Empty: not there.
std::string find_port() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(kPortsFolder), closedir);
  if (!folder) return {};
  while (const dirent* entry = readdir(folder.get())) {
    if (entry->d_name[0] == '.') continue;
    std::string name;
    if (failed(read_small_file(std::string(kPortsFolder) + entry->d_name + "/name", name)))
      continue;
    if (name.ends_with('\n')) name.pop_back();
    if (name == kPortName) return std::string("/dev/") + entry->d_name;
  }
  return {};
}

enum class Peer { kPresent, kAbsent, kPortGone };

// A port is "hung up" while nobody holds its other end. It can then still be read (an end of file);
// one that was unplugged can do nothing any more.
Peer look_for_host(int fd) {
  pollfd query{.fd = fd, .events = POLLIN | POLLOUT, .revents = 0};
  poll(&query, 1, 0);
  if ((query.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0) return Peer::kPresent;
  return (query.revents & (POLLIN | POLLOUT)) != 0 ? Peer::kAbsent : Peer::kPortGone;
}

}  // namespace

void Channel::open_port() {
  const std::string path = find_port();
  if (path.empty()) return;
  port_.reset(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!port_.valid() && !std::exchange(open_failure_logged_, true)) {
    log(failure(errno, "open", path).what);
  }
}

bool Channel::connect() {
  if (!port_.valid()) open_port();
  if (!port_.valid()) return false;
  const Peer peer = look_for_host(port_.get());
  if (peer == Peer::kPortGone) port_.reset();
  const bool present = peer == Peer::kPresent;
  if (present == connected_) return false;
  connected_ = present;
  error_reported_ = false;
  decoder_ = FrameDecoder();
  // What the host said to the kernel that crashed may have been read by it in part.
  if (in_capture_kernel()) decoder_.await_speaker(frame_mark());
  output_.clear();
  return present;
}

void Channel::flush() {
  std::size_t sent = 0;
  while (connected_ && sent < output_.size()) {
    const ssize_t written = write(port_.get(), output_.data() + sent, output_.size() - sent);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;  // full, or gone: connect() finds out
    sent += static_cast<std::size_t>(written);
  }
  output_.erase(0, sent);
}

void Channel::receive() {
  char buffer[16384];
  const ssize_t got = read(port_.get(), buffer, sizeof(buffer));
  if (got > 0) decoder_.feed(std::string_view(buffer, static_cast<std::size_t>(got)));
}

std::optional<Frame> Channel::next() {
  std::optional<Frame> frame = decoder_.next();
  if (!frame && decoder_.error() != FrameError::kNone && !error_reported_) {
    error_reported_ = true;
    const Done done{.error = EPROTO,
                    .what = "protocol: " + std::string(to_string(decoder_.error()))};
    log(done.what);
    send(0, done);
  }
  return frame;
}

}  // namespace rig::guest
