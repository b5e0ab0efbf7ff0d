// SPDX-License-Identifier: Apache-2.0
//
// tcp_storm [--seconds N] [--rounds N] [--seed N] [--port N] [--shared N] [--alone N] [--last N]
// [--reply KIB] [--file PATH]: a server on the loopback interface that opens connections, asks for
// their peers and closes them, for N seconds and N rounds at least. Exit code: 0 all was well, 1 a
// call failed that had worked, 2 usage, 3 the load could not be set up.
//
// Of most connections one thread asks for the peer, of the shared ones two at once: on one of
// them the server sends a reply, which takes the socket's lock, and with its first bytes an urgent
// thread on the same CPU takes the CPU away from it: at once where the kernel can be preempted,
// else when the server sleeps until the rest of the reply was read from its file. The urgent one
// waits until the other, on another CPU, waits for the lock inside getpeername(), and then calls
// it too. So they always meet, whatever the speed of the machine.
//
// A handshake ends on its server's CPU, and what the kernel allocates for it comes from that CPU's
// slab. So there are two teams, with the CPUs exchanged, which take turns.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "guest/stress/load.h"
#include "guest/stress/options.h"
#include "guest/stress/reply.h"

namespace rig::guest {
namespace {

constexpr unsigned kMaxBatch = 64;
constexpr unsigned kMaxLast = 16;
constexpr in_addr_t kTests = 0xc6120000;  // 198.18.0.0/15: peers that a balancer told of
constexpr unsigned kTeams = 2;            // one for each of two CPUs
constexpr std::uint64_t kRounds = 4;      // of one team, before the other has its turn
constexpr unsigned kMaxHoles = 4096;
constexpr unsigned kStep = 4;
constexpr int kPatience = 100;  // ms

struct Settings {
  std::uint64_t seconds = 10;
  std::uint64_t seed = 1;
  std::uint64_t port = 8000;
  std::uint64_t rounds = 1;   // at least
  std::uint64_t shared = 1;   // connections of a round that both ask about
  std::uint64_t alone = 3;    // that one asks about
  std::uint64_t last = 0;     // that the server asks about when the others are done
  std::uint64_t reply = 256;  // KiB
  std::string file;           // that the reply comes from; empty: it is in memory

  unsigned batch() const { return shared + alone + last; }
};

sockaddr_in loopback(unsigned port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void stay_on_cpu(unsigned place) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(place % kTeams, &set);
  sched_setaffinity(0, sizeof(set), &set);
}

// A number that one thread raises and others wait for.
class Count {
 public:
  void raise() {
    value_.fetch_add(1);
    value_.notify_all();
  }
  std::uint64_t value() const { return value_; }
  void wait_for(std::uint64_t at_least) const {
    for (std::uint64_t now = value_; now < at_least; now = value_) value_.wait(now);
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// How many objects the smallest kmalloc cache has room for; 0: not known.
unsigned long smallest_cache() {
  for (unsigned size = 8; size <= 128; size *= 2) {
    const auto path = "/sys/kernel/slab/kmalloc-" + std::to_string(size) + "/total_objects";
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    std::array<char, 64> text{};
    const ssize_t got = read(fd, text.data(), text.size() - 1);
    close(fd);
    return got > 0 ? std::strtoul(text.data(), nullptr, 10) : 0;
  }
  return 0;
}

// Fills the holes that others left in the slabs of the smallest kmalloc cache, until this CPU
// begins a new one: records then share a slab with few others. The target of a short symbolic link
// on a tmpfs is such an object.
void fill_holes(unsigned place) {
  const unsigned long before = smallest_cache();
  for (unsigned i = 0; before != 0 && i < kMaxHoles && smallest_cache() <= before; i += kStep) {
    for (unsigned n = i; n < i + kStep; ++n) {
      const auto path = "/storm-" + std::to_string(place) + "-" + std::to_string(n);
      if (symlink("target", path.c_str()) != 0) return;
    }
  }
}

struct Connection {
  int client = -1;
  int server = -1;
  in_port_t port = 0;  // the client's, as it is in the segment
};

// What the threads share.
class Storm {
 public:
  Storm(Load& load, const Settings& settings) : load(load), settings(settings) {}
  ~Storm() {
    if (listener_ >= 0) close(listener_);
  }

  bool set_up();
  bool open(Connection& connection);
  void ask(const Connection& connection);
  void count_meeting() { met_.fetch_add(1); }
  void print(const char* when) const;

  void end_of_time() { time_over_ = true; }
  bool over(std::uint64_t turn) const {
    return load.stopping() || (time_over_ && turn * kRounds >= settings.rounds);
  }

  Load& load;
  const Settings settings;
  Reply reply;
  Count turns;  // of teams

 private:
  int listener_ = -1;
  std::atomic<bool> time_over_{false};
  std::atomic<std::uint64_t> connected_{0};
  std::atomic<std::uint64_t> met_{0};    // two at once in getpeername()
  std::atomic<std::uint64_t> told_{0};   // clients that a balancer told of
  std::atomic<std::uint64_t> wrong_{0};  // neither that nor the socket's own peer
};

bool Storm::set_up() {
  const int yes = 1;
  const sockaddr_in address = loopback(settings.port);
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener_ < 0 || setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
      bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener_, kMaxBatch) != 0) {
    return load.fail_setup("listen for TCP connections", errno), false;
  }
  return reply.set_up(load, settings.file, settings.reply * 1024);
}

// accept() does not ask for the peer's name: that would be getpeername() by another way.
bool Storm::open(Connection& connection) {
  const sockaddr_in address = loopback(settings.port);
  const linger reset{.l_onoff = 1, .l_linger = 0};  // no TIME_WAIT: ports would run out
  sockaddr_in client{};
  socklen_t size = sizeof(client);
  connection.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection.client >= 0 &&
      setsockopt(connection.client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0 &&
      connect(connection.client, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) ==
          0 &&
      getsockname(connection.client, reinterpret_cast<sockaddr*>(&client), &size) == 0) {
    connection.port = client.sin_port;
    connection.server = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  }
  if (connection.server >= 0) return connected_.fetch_add(1), true;
  const int error = errno;
  connected_ != 0 ? load.fail("open a connection", error)
                  : load.fail_setup("open a connection", error);
  return false;
}

// A wrong name is counted and no more: the server would not notice either.
void Storm::ask(const Connection& connection) {
  sockaddr_in peer{};
  socklen_t size = sizeof(peer);
  if (getpeername(connection.server, reinterpret_cast<sockaddr*>(&peer), &size) != 0) {
    return load.fail("getpeername", errno);
  }
  const in_addr_t address = peer.sin_addr.s_addr;
  if (peer.sin_port == connection.port && address == htonl(kTests | ntohs(connection.port))) {
    told_.fetch_add(1);
  } else if (peer.sin_port != connection.port || address != htonl(INADDR_LOOPBACK)) {
    wrong_.fetch_add(1);
  }
}

void Storm::print(const char* when) const {
  std::printf("tcp_storm: %s: %" PRIu64 " connections, %" PRIu64 " meetings, %" PRIu64
              " clients told of, %" PRIu64 " wrong\n",
              when, connected_.load(), met_.load(), told_.load(), wrong_.load());
  std::fflush(stdout);
}

// Three threads that take turns with the other team's.
class Team {
 public:
  Team(Storm& storm, unsigned place) : storm_(storm), place_(place) {}
  ~Team();

  void start();
  void join();

 private:
  void serve();      // the server's thread, which leads
  void urgent();     // the one that interrupts it
  void accompany();  // the one on another CPU

  bool serve_round(Random& random);
  void close_all();
  bool wait_for_reply(const Connection& connection);
  void wait_for_other(std::uint64_t calls);

  Storm& storm_;
  const unsigned place_;
  std::vector<std::thread> threads_;
  std::array<Connection, kMaxBatch + kMaxLast>
      connections_{};  // of a round, in the order of their use
  std::uint64_t round_ = 0;
  Count opened_;                      // rounds
  Count urgent_asked_;                // rounds
  Count other_asked_;                 // rounds
  Count other_met_;                   // shared connections
  std::atomic<bool> over_{false};     // no round follows
  std::atomic<int> other_state_{-1};  // the other thread's /proc/.../stat
};

Team::~Team() {
  close_all();
  if (other_state_ >= 0) close(other_state_);
}

void Team::start() {
  threads_.emplace_back([this] { serve(); });
  threads_.emplace_back([this] { urgent(); });
  threads_.emplace_back([this] { accompany(); });
}

void Team::join() {
  for (std::thread& thread : threads_) thread.join();
}

void Team::close_all() {
  for (Connection& connection : connections_) {
    if (connection.client >= 0) close(connection.client);
    if (connection.server >= 0) close(connection.server);
    connection = {};
  }
}

// With a timeout, so that nobody waits for a reply that could not be sent.
bool Team::wait_for_reply(const Connection& connection) {
  pollfd arrived{.fd = connection.client, .events = POLLIN, .revents = 0};
  while (!storm_.load.stopping()) {
    if (poll(&arrived, 1, kPatience) > 0) return true;
  }
  return false;
}

bool Team::serve_round(Random& random) {
  const unsigned batch = storm_.settings.batch();
  for (unsigned i = 0; i < batch; ++i) {
    if (!storm_.open(connections_[i])) return false;
  }
  for (unsigned i = batch; i > 1; --i) {
    std::swap(connections_[i - 1], connections_[random.below(i)]);
  }
  ++round_;
  opened_.raise();
  for (unsigned i = 0; i < storm_.settings.shared; ++i) {
    storm_.reply.forget();
    if (send(connections_[i].server, storm_.reply.data(), storm_.reply.size(),
             MSG_DONTWAIT | MSG_NOSIGNAL) <= 0) {
      storm_.load.fail("send a reply", errno);
    }
  }
  urgent_asked_.wait_for(round_);
  other_asked_.wait_for(round_);
  for (unsigned i = batch - storm_.settings.last; i < batch; ++i) storm_.ask(connections_[i]);
  close_all();
  storm_.load.count_work(batch);
  return !storm_.load.stopping();
}

void Team::serve() {
  stay_on_cpu(place_);
  fill_holes(place_);
  Random random(storm_.settings.seed + place_);
  for (std::uint64_t turn = place_;; turn += kTeams) {
    storm_.turns.wait_for(turn);
    if (storm_.over(turn)) break;
    for (std::uint64_t i = 0; i < kRounds && serve_round(random); ++i) {
    }
    storm_.turns.raise();
  }
  storm_.turns.raise();
  over_ = true;
  opened_.raise();
}

// Until the other thread sleeps in the kernel, waiting for the socket's lock, or came through.
void Team::wait_for_other(std::uint64_t calls) {
  std::array<char, 256> text{};
  while (other_met_.value() < calls && !storm_.load.stopping()) {
    const ssize_t size = pread(other_state_, text.data(), text.size() - 1, 0);
    const char* name_end = size > 0 ? std::strrchr(text.data(), ')') : nullptr;
    if (name_end == nullptr || name_end[1] != ' ' || name_end[2] != 'D') continue;
    return storm_.count_meeting();
  }
}

void Team::urgent() {
  stay_on_cpu(place_);
  const sched_param priority{.sched_priority = 1};
  if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0) {
    storm_.load.fail_setup("be urgent", errno);
  }
  std::uint64_t calls = 0;
  for (std::uint64_t round = 1;; ++round) {
    opened_.wait_for(round);
    if (over_) break;
    for (unsigned i = 0; i < storm_.settings.shared; ++i) {
      if (!wait_for_reply(connections_[i])) break;
      wait_for_other(++calls);
      storm_.ask(connections_[i]);
    }
    urgent_asked_.raise();
  }
}

// After each shared connection come some that are its own.
void Team::accompany() {
  stay_on_cpu(place_ + 1);
  other_state_ = open("/proc/thread-self/stat", O_RDONLY | O_CLOEXEC);
  if (other_state_ < 0) storm_.load.fail_setup("open /proc/thread-self/stat", errno);
  const Settings& settings = storm_.settings;
  for (std::uint64_t round = 1;; ++round) {
    opened_.wait_for(round);
    if (over_) break;
    unsigned next = settings.shared;
    for (unsigned i = 0; i < settings.shared; ++i) {
      if (!wait_for_reply(connections_[i])) break;
      storm_.ask(connections_[i]);
      other_met_.raise();
      const unsigned until = settings.shared + settings.alone * (i + 1) / settings.shared;
      while (next < until) storm_.ask(connections_[next++]);
    }
    other_asked_.raise();
  }
}

int run(const Settings& settings) {
  Load load("tcp_storm");
  Storm storm(load, settings);
  if (!storm.set_up()) return load.exit_code();
  Team teams[kTeams] = {{storm, 0}, {storm, 1}};
  for (Team& team : teams) team.start();
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t second = 1; second <= settings.seconds; ++second) {
    if (!load.wait_until(start + std::chrono::seconds(second))) break;
    storm.print((std::to_string(second) + " s").c_str());
  }
  storm.end_of_time();
  for (Team& team : teams) team.join();
  storm.print(load.exit_code() == 0 ? "done" : "failed");
  return load.exit_code();
}

}  // namespace
}  // namespace rig::guest

int main(int argc, char** argv) {
  using namespace rig::guest;
  Settings settings;
  Options options("tcp_storm");
  options.number("--seconds", settings.seconds, 1, 86400);
  options.number("--seed", settings.seed);
  options.number("--port", settings.port, 1, 65535);
  options.number("--rounds", settings.rounds);
  options.number("--shared", settings.shared, 1, kMaxBatch / 2);
  options.number("--alone", settings.alone, 1, kMaxBatch / 2);
  options.number("--last", settings.last, 0, kMaxLast);
  options.number("--reply", settings.reply, 1, 16384);
  options.text("--file", "PATH", settings.file);
  return options.parse(argc, argv) ? run(settings) : Options::kUsage;
}
