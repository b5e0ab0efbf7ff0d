// SPDX-License-Identifier: Apache-2.0
//
// connections [--seconds N | --work N] [--seed N] [--validate CACHE]...: TCP connections over the
// loopback interface, a few at a time: opened, used for some messages, reset all together; then
// names for local sockets, which the kernel keeps in kmalloc objects of the smallest sizes.
// --validate has SLUB check a cache that is being debugged after each round, as slabinfo -v does.
// Exit code: 0 all data was right, 1 it was not or a connection failed, 2 usage, 3 the load could
// not be set up.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "guest/stress/load.h"
#include "guest/stress/options.h"

namespace rig::guest {
namespace {

constexpr std::size_t kClients = 8;
constexpr std::size_t kLocals = 6;
constexpr std::uint64_t kMostMessages = 4;
// struct unix_address: 8 bytes, the family's 2 and this name: at most 32.
constexpr std::size_t kLocalName = 16;

struct Settings {
  Length length;
  std::uint64_t seed = 1;
  std::vector<std::string> validate;
};

// A reset instead of FIN: nothing stays in TIME_WAIT.
void reset(int& fd) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  if (fd < 0) return;
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  close(fd);
  fd = -1;
}

class Rounds {
 public:
  Rounds(Load& load, const Settings& settings)
      : load_(load), settings_(settings), random_(settings.seed) {
    clients_.fill(-1);
    servers_.fill(-1);
  }

  bool listen();
  bool run_once();
  std::uint64_t connections() const { return connections_; }

 private:
  bool open_all();
  bool exchange(std::size_t i);
  void reset_all();
  bool name_locals();
  bool validate();

  Load& load_;
  const Settings& settings_;
  Random random_;
  int listener_ = -1;
  sockaddr_in address_{};
  std::array<int, kClients> clients_{};
  std::array<int, kClients> servers_{};
  std::uint64_t connections_ = 0;
  std::uint64_t messages_ = 0;
  std::uint64_t names_ = 0;
};

bool Rounds::listen() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address_.sin_family = AF_INET;
  address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address_);
  socklen_t size = sizeof(address_);
  if (listener_ >= 0 && bind(listener_, generic, size) == 0 && ::listen(listener_, kClients) == 0 &&
      getsockname(listener_, generic, &size) == 0) {
    return true;
  }
  load_.fail_setup("open a TCP socket", errno);
  return false;
}

bool Rounds::open_all() {
  for (std::size_t i = 0; i < kClients; ++i) {
    clients_[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (clients_[i] < 0 ||
        connect(clients_[i], reinterpret_cast<const sockaddr*>(&address_), sizeof(address_)) != 0) {
      return load_.fail("connect", errno), false;
    }
    servers_[i] = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (servers_[i] < 0) return load_.fail("accept", errno), false;
    ++connections_;
    load_.count_work(1);
  }
  return true;
}

bool Rounds::exchange(std::size_t i) {
  for (std::uint64_t left = 1 + random_.below(kMostMessages); left > 0; --left) {
    const std::uint64_t sent = ++messages_;
    std::uint64_t received = 0;
    if (send(clients_[i], &sent, sizeof(sent), MSG_NOSIGNAL) != sizeof(sent)) {
      return load_.fail("send", errno), false;
    }
    if (recv(servers_[i], &received, sizeof(received), MSG_WAITALL) != sizeof(received)) {
      return load_.fail("receive", errno), false;
    }
    if (received != sent) return load_.fail("what was received is not what was sent", 0), false;
  }
  return true;
}

void Rounds::reset_all() {
  for (int& fd : clients_) reset(fd);
  for (int& fd : servers_) reset(fd);
}

// All at once, then none: the kernel has kLocals addresses meanwhile.
bool Rounds::name_locals() {
  std::array<int, kLocals> locals;
  bool ok = true;
  for (int& fd : locals) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;  // an abstract name: its first byte is 0
    std::snprintf(address.sun_path + 1, kLocalName, "%015" PRIx64, ++names_);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    constexpr socklen_t kSize = offsetof(sockaddr_un, sun_path) + kLocalName;
    ok = ok && fd >= 0 && bind(fd, reinterpret_cast<const sockaddr*>(&address), kSize) == 0;
    if (!ok) load_.fail("name a local socket", errno);
  }
  for (const int fd : locals) {
    if (fd >= 0) close(fd);
  }
  return ok;
}

bool Rounds::validate() {
  for (const std::string& cache : settings_.validate) {
    const std::string path = "/sys/kernel/slab/" + cache + "/validate";
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    const bool ok = fd >= 0 && write(fd, "1", 1) == 1;
    const int error = errno;
    if (fd >= 0) close(fd);
    if (!ok) return load_.fail_setup(path.c_str(), error), false;
  }
  return true;
}

bool Rounds::run_once() {
  bool ok = open_all();
  for (std::size_t i = 0; ok && i < kClients; ++i) ok = exchange(i);
  reset_all();
  return ok && validate() && name_locals();
}

int run(const Settings& settings) {
  Load load("connections");
  Rounds rounds(load, settings);
  load.begin(settings.length);
  std::printf("connections: %s, seed %" PRIu64 "\n", settings.length.text().c_str(), settings.seed);
  std::fflush(stdout);
  if (rounds.listen()) {
    while (!load.over() && rounds.run_once()) {
    }
  }
  std::printf("connections: %s: %" PRIu64 " connections\n",
              load.exit_code() == 0 ? "done" : "failed", rounds.connections());
  std::fflush(stdout);
  return load.exit_code();
}

}  // namespace
}  // namespace rig::guest

int main(int argc, char** argv) {
  rig::guest::Settings settings;
  rig::guest::Options options("connections");
  settings.length.declare(options);
  options.number("--seed", settings.seed, 0);
  options.texts("--validate", "CACHE", settings.validate);
  return options.parse(argc, argv) ? rig::guest::run(settings) : rig::guest::Options::kUsage;
}
