// SPDX-License-Identifier: Apache-2.0
#include "guest/stress/storm_ops.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

namespace rig::guest {
namespace {

constexpr std::size_t kPage = 4096;

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

// Is what comes from `from` exactly `sent`? True as well when the kernel would not take all of it.
bool same_back(int from, std::string_view sent) {
  std::string back(sent.size(), '\0');
  std::size_t got = 0;
  while (got < sent.size()) {
    const ssize_t part = read(from, back.data() + got, sent.size() - got);
    if (part < 0 && errno == EINTR) continue;
    if (part <= 0) return false;
    got += static_cast<std::size_t>(part);
  }
  return back == sent;
}

sockaddr_in loopback() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A socket that is bound to a port of its own, which `address` then has.
Fd bound_socket(int type, sockaddr_in& address) {
  Fd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  address = loopback();
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (!fd || bind(fd.get(), generic, size) != 0 || getsockname(fd.get(), generic, &size) != 0) {
    return Fd(-1);
  }
  return fd;
}

void write_text(const std::string& path, std::string_view text) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd) (void)!write(fd.get(), text.data(), text.size());
}

}  // namespace

std::string StormWorker::text(std::size_t size) {
  std::string made(size, '\0');
  for (char& each : made) each = static_cast<char>(random_.next());
  return made;
}

bool StormWorker::processes() {
  std::array<pid_t, 4> children{};
  const auto count = 1 + random_.below(children.size());
  for (std::size_t i = 0; i < count; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      execl(program_.c_str(), program_.c_str(), kChildArgument, nullptr);
      _exit(0);
    }
    children[i] = child;
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (children[i] > 0) waitpid(children[i], nullptr, 0);
  }
  return true;
}

bool StormWorker::threads() {
  std::array<std::thread, 4> all;
  std::atomic<unsigned> ran{0};
  for (std::thread& each : all) each = std::thread([&ran] { ++ran; });
  for (std::thread& each : all) each.join();
  return ran == all.size();
}

bool StormWorker::pipes() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return true;
  const Fd out(ends[0]), in(ends[1]);
  const std::string sent = text(1 + random_.below(32 << 10));
  const ssize_t written = write(in.get(), sent.data(), sent.size());
  if (written <= 0 || random_.below(4) == 0) return true;  // closed with data in it
  return same_back(out.get(), std::string_view(sent).substr(0, static_cast<std::size_t>(written)));
}

// Datagrams of many sizes, some with a descriptor in them, some never received.
bool StormWorker::unix_sockets() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return true;
  const Fd left(ends[0]), right(ends[1]);
  for (unsigned i = 0; i < 8; ++i) {
    std::string sent = text(1 + random_.below(8 << 10));
    iovec part{sent.data(), sent.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (random_.below(2) == 0) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int));
      const int passed = right.get();
      std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
    }
    if (sendmsg(left.get(), &message, 0) < 0 || random_.below(3) == 0) continue;
    std::string back(8 << 10, '\0');
    const ssize_t got =
        recv(right.get(), back.data(), back.size(), 0);  // the descriptor is dropped
    if (got <= 0) return false;
  }
  return true;
}

bool StormWorker::udp_sockets() {
  sockaddr_in address{};
  const Fd fd = bound_socket(SOCK_DGRAM | SOCK_NONBLOCK, address);
  if (!fd) return true;
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return true;
  const std::string sent = text(1 + random_.below(9000));
  for (unsigned i = 0; i < 16; ++i) {
    if (send(fd.get(), sent.data(), sent.size(), 0) < 0) return true;
  }
  for (unsigned i = random_.below(16); i > 0; --i) {
    std::string back(sent.size(), '\0');
    const ssize_t got = recv(fd.get(), back.data(), back.size(), 0);
    if (got > 0 && back != sent) return false;
  }
  return true;
}

bool StormWorker::tcp_sockets() {
  sockaddr_in address{};
  const Fd server = bound_socket(SOCK_STREAM, address);
  if (!server || listen(server.get(), 4) != 0) return true;
  const Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!client ||
      connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return true;
  }
  const Fd peer(accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!peer) return true;
  const std::string sent = text(1 + random_.below(16 << 10));
  const ssize_t written = send(client.get(), sent.data(), sent.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (written <= 0 || random_.below(4) == 0) return true;
  return same_back(peer.get(), std::string_view(sent).substr(0, static_cast<std::size_t>(written)));
}

bool StormWorker::files() {
  const std::string name = path("file"), other = path("renamed"), link_name = path("link");
  const std::string sent = text(1 + random_.below(64 << 10));
  bool same = true;
  {
    const Fd fd(open(name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) return true;
    const ssize_t written = write(fd.get(), sent.data(), sent.size());
    if (written > 0 && lseek(fd.get(), 0, SEEK_SET) == 0) {
      same =
          same_back(fd.get(), std::string_view(sent).substr(0, static_cast<std::size_t>(written)));
    }
  }
  (void)!symlink(name.c_str(), link_name.c_str());
  (void)!rename(name.c_str(), other.c_str());
  unlink(link_name.c_str());
  unlink(other.c_str());
  return same;
}

// Many names, which stay in the kernel's caches for a while.
bool StormWorker::folders() {
  const std::string top = path("folder");
  mkdir(top.c_str(), 0700);
  std::vector<std::string> names;
  for (unsigned i = 0; i < 24; ++i) {
    names.push_back(top + "/" + std::string(1 + random_.below(60), 'n') + std::to_string(i));
    const Fd fd(open(names.back().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    struct stat info {};
    stat((names.back() + "-absent").c_str(), &info);
  }
  if (DIR* folder = opendir(top.c_str())) {
    while (readdir(folder) != nullptr) {
    }
    closedir(folder);
  }
  for (const std::string& name : names) unlink(name.c_str());
  rmdir(top.c_str());
  return true;
}

bool StormWorker::mappings() {
  constexpr std::size_t kPages = 32;
  auto* const area = static_cast<char*>(
      mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (area == MAP_FAILED) return true;
  for (std::size_t page = 0; page < kPages; page += 1 + random_.below(4)) {
    area[page * kPage] = static_cast<char>(page);
  }
  // Every other page of its own protection: as many areas.
  for (std::size_t page = 0; page < kPages; page += 2) {
    mprotect(area + page * kPage, kPage, PROT_READ);
  }
  const pid_t child = fork();
  if (child == 0) _exit(0);
  if (child > 0) waitpid(child, nullptr, 0);
  munmap(area, kPages * kPage);
  return true;
}

bool StormWorker::events() {
  const Fd poll(epoll_create1(EPOLL_CLOEXEC));
  const Fd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const Fd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  const Fd watch(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  for (const Fd* each : {&event, &timer, &watch}) {
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    wanted.data.fd = each->get();
    epoll_ctl(poll.get(), EPOLL_CTL_ADD, each->get(), &wanted);
  }
  inotify_add_watch(watch.get(), folder_.c_str(), IN_CREATE | IN_DELETE);
  const itimerspec soon{{0, 0}, {0, 1}};
  timerfd_settime(timer.get(), 0, &soon, nullptr);
  const std::uint64_t one = 1;
  if (write(event.get(), &one, sizeof one) != sizeof one) return true;
  epoll_event happened[4];
  return epoll_wait(poll.get(), happened, 4, 0) >= 1;
}

bool StormWorker::messages() {
  constexpr std::size_t kMost = 4000;
  struct {
    long type = 1;
    char bytes[kMost];
  } message, back;
  const int queue = msgget(IPC_PRIVATE, 0600 | IPC_CREAT);
  if (queue < 0) return true;
  bool same = true;
  for (unsigned i = 0; i < 8 && same; ++i) {
    const std::string sent = text(1 + random_.below(kMost));
    std::memcpy(message.bytes, sent.data(), sent.size());
    if (msgsnd(queue, &message, sent.size(), IPC_NOWAIT) != 0 || random_.below(3) == 0) continue;
    same = msgrcv(queue, &back, kMost, 0, IPC_NOWAIT) >= 0;
  }
  msgctl(queue, IPC_RMID, nullptr);
  return same;
}

bool StormWorker::proc_files() {
  for (const char* name : {"/proc/self/maps", "/proc/slabinfo", "/proc/self/mountinfo",
                           "/proc/net/udp", "/proc/self/stat", "/proc/meminfo"}) {
    const Fd fd(open(name, O_RDONLY | O_CLOEXEC));
    std::array<char, 4096> part;
    while (fd && read(fd.get(), part.data(), part.size()) > 0) {
    }
  }
  return true;
}

bool StormWorker::namespaces() {
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET) == 0) {
      mount("storm", folder_.c_str(), "tmpfs", 0, "size=64k");
    }
    _exit(0);
  }
  if (child > 0) waitpid(child, nullptr, 0);
  return true;
}

// Empty slabs go back, per-CPU slabs to their nodes, names that nobody uses with them.
bool StormWorker::shrink() {
  static constexpr const char* kCaches[] = {"kmalloc-64", "kmalloc-256", "kmalloc-1k", "filp",
                                            "dentry"};
  write_text(
      std::string("/sys/kernel/slab/") + kCaches[random_.below(std::size(kCaches))] + "/shrink",
      "1");
  if (random_.below(8) == 0) write_text("/proc/sys/vm/drop_caches", "2");
  return true;
}

const StormWorker::Step StormWorker::kSteps[] = {
    {"processes", 4, &StormWorker::processes},
    {"threads", 4, &StormWorker::threads},
    {"pipes", 12, &StormWorker::pipes},
    {"unix sockets", 12, &StormWorker::unix_sockets},
    {"UDP sockets", 12, &StormWorker::udp_sockets},
    {"TCP sockets", 8, &StormWorker::tcp_sockets},
    {"files", 12, &StormWorker::files},
    {"folders", 8, &StormWorker::folders},
    {"mappings", 6, &StormWorker::mappings},
    {"events", 12, &StormWorker::events},
    {"messages", 8, &StormWorker::messages},
    {"files of /proc", 2, &StormWorker::proc_files},
    {"namespaces", 1, &StormWorker::namespaces},
    {"shrink", 1, &StormWorker::shrink},
};

void StormWorker::run() {
  const unsigned all =
      std::accumulate(std::begin(kSteps), std::end(kSteps), 0u,
                      [](unsigned sum, const Step& each) { return sum + each.weight; });
  mkdir(folder_.c_str(), 0700);
  while (!load_.stopping()) {
    auto chosen = random_.below(all);
    const Step* step = kSteps;
    for (; chosen >= step->weight; ++step) chosen -= step->weight;
    if (!(this->*step->run)()) load_.fail(step->name, 0);
    load_.count_work(1);
  }
  rmdir(folder_.c_str());
}

}  // namespace rig::guest
