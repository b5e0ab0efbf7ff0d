// SPDX-License-Identifier: Apache-2.0
// A guest of a QEMU that is not ours: held, described by the start of a dump that is broken off,
// and read out of QEMU's own memory (gpa2hva, process_vm_readv), else through QMP's pmemsave.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/text.h"
#include "vm/live.h"
#include "vm/qemu/dump_headers.h"
#include "vm/qemu/live_guardian.h"

namespace rig::vm {
namespace {

constexpr std::string_view kFdName = "crashrig-live";
constexpr std::uint64_t kBlock = 256 << 10;  // what pmemsave is asked for
constexpr std::size_t kMaxBlocks = 128;
constexpr std::size_t kMaxAnswer = 4096;
constexpr std::chrono::seconds kOneRead{20};
constexpr std::chrono::seconds kLetGo{5};

// The hexadecimal number after `before` in an answer of the monitor's.
std::optional<std::uint64_t> hex_after(std::string_view text, std::string_view before) {
  const auto at = text.find(before);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + before.size());
  std::uint64_t value = 0;
  const auto end = text.data() + text.size();
  if (std::from_chars(text.data(), end, value, 16).ec != std::errc{}) return std::nullopt;
  return value;
}

}  // namespace

LiveGuest::LiveGuest(Loop loop, UniqueFd socket, pid_t pid, std::stop_token stop)
    : loop_(std::move(loop)), socket_(std::move(socket)), pid_(pid), stop_(std::move(stop)) {}

LiveGuest::~LiveGuest() {
  let_go();
}

Result<std::unique_ptr<LiveGuest>> LiveGuest::create(UniqueFd qmp, Deadline deadline,
                                                     std::stop_token stop) {
  // Who made the listening socket: QEMU itself, unless somebody handed it over. check_sample()
  // finds out.
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(qmp.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) peer.pid = 0;
  RIG_ASSIGN(Loop loop, Loop::create());
  std::unique_ptr<LiveGuest> guest(
      new LiveGuest(std::move(loop), std::move(qmp), peer.pid, std::move(stop)));
  RIG_TRY(guest->open(deadline));
  return guest;
}

Status LiveGuest::open(Deadline deadline) {
  UniqueFd copy(::fcntl(socket_.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) return fail_errno(errno, "cannot duplicate a descriptor");
  RIG_ASSIGN(qmp_, Qmp::create(loop_, std::move(copy), [](const QmpEvent&) {}));
  auto version = qmp_->connect(deadline, stop_);
  if (!version) {
    Error error = std::move(version).error();
    if (error.hint.empty() && error.blame != Blame::kCancelled) {
      error.hint =
          "the socket must be of -qmp unix:PATH,server=on, and serves one client at a time";
    }
    return tl::unexpected(std::move(error));
  }
  version_ = *std::move(version);
  RIG_TRY(hold(deadline));
  RIG_TRY(take_headers(deadline));
  if (const Status found = find_host_addresses(deadline); !found) {
    if (found.error().blame == Blame::kCancelled || qmp_->broken()) return found;
    reads_process_ = false;
  }
  return {};
}

Result<std::string> LiveGuest::status(Deadline deadline, const std::stop_token& stop) {
  RIG_ASSIGN(const boost::json::value reply, qmp_->execute("query-status", {}, deadline, stop));
  const auto* object = reply.if_object();
  const auto* name = object != nullptr ? object->if_contains("status") : nullptr;
  if (name == nullptr || !name->is_string()) {
    return fail(Blame::kRig, "QMP: query-status: an answer without a status");
  }
  return std::string(name->as_string());
}

Status LiveGuest::hold(Deadline deadline) {
  RIG_ASSIGN(const std::string before, status(deadline, stop_));
  was_running_ = before == "running";
  if (!was_running_) return {};
  RIG_ASSIGN(qemu::LiveGuardian guardian, qemu::LiveGuardian::start(socket_.get()));
  guardian_ = std::make_unique<qemu::LiveGuardian>(std::move(guardian));
  RIG_TRY(qmp_->execute("stop", {}, deadline, stop_));
  RIG_ASSIGN(const std::string now, status(deadline, stop_));
  if (now == "running") return fail(Blame::kRig, "QEMU does not stop its guest");
  return {};
}

// Only if it is as we left it: another client, or a panic at the last moment, comes first.
void LiveGuest::let_go() {
  if (guardian_ && qmp_ && !qmp_->broken()) {
    const Deadline deadline = Deadline::after(kLetGo);
    const auto now = status(deadline, {});
    if (!now || *now == "paused") (void)qmp_->execute("cont", {}, deadline);
  }
  guardian_.reset();
}

// The dump comes through a pipe that is closed as soon as the memory begins; QEMU then gives up.
Status LiveGuest::take_headers(Deadline deadline) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "cannot create a pipe");
  UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  RIG_TRY(qmp_->execute("getfd", {{"fdname", kFdName}}, deadline, stop_, writing.get()));
  writing.reset();
  qemu::DumpHeaders headers;
  const auto reply = std::make_shared<std::optional<Qmp::Reply>>();
  {
    bool ended = false;
    RIG_ASSIGN(const auto pipe,
               Channel::create(loop_, std::move(reading),
                               {.on_bytes = [&](auto bytes) { headers.feed(bytes); },
                                .on_end = [&] { ended = true; }}));
    qmp_->send("dump-guest-memory",
               {{"paging", false}, {"protocol", fmt::format("fd:{}", kFdName)}},
               [reply](Qmp::Reply got) { *reply = std::move(got); });
    loop_.run_until([&] { return headers.done() || ended || (*reply && !**reply); }, deadline,
                    stop_);
    pipe->drain();
  }
  // Not cancelled: while QEMU is at its dump the guest cannot be let go.
  const auto answered =
      loop_.run_until([&] { return reply->has_value(); }, deadline.sooner(Deadline::after(kLetGo)));
  if (stop_.stop_requested()) return fail(Blame::kCancelled, "stopped");
  if (headers.damage()) return tl::unexpected(*headers.damage());
  if (!headers.done()) {
    if (answered != Loop::Woke::kCondition) return fail(Blame::kRig, "QMP: no dump in time");
    if (!**reply) {
      if (!qmp_->broken()) qmp_->send("closefd", {{"fdname", kFdName}}, [](Qmp::Reply) {});
      return tl::unexpected((*reply)->error());
    }
    return fail(Blame::kRig, "QEMU's dump ended before its memory");
  }
  headers_ = headers.take_core(ranges_);
  if (ranges_.empty()) return fail(Blame::kRig, "QEMU's dump names no memory");
  return {};
}

Result<std::string> LiveGuest::monitor(const std::string& line, Deadline deadline) {
  RIG_ASSIGN(const boost::json::value reply,
             qmp_->execute("human-monitor-command", {{"command-line", line}}, deadline, stop_));
  const auto* text = reply.if_string();
  if (text == nullptr || text->size() > kMaxAnswer) {
    return fail(Blame::kRig, "QMP: an answer to {} that is none", line);
  }
  return std::string(*text);
}

// "Host virtual address for 0x100000 (pc.ram) is 0x7f3c40100000"
Result<std::uint64_t> LiveGuest::host_address(std::uint64_t address, Deadline deadline) {
  RIG_ASSIGN(const std::string text, monitor(fmt::format("gpa2hva {:#x}", address), deadline));
  const auto found = hex_after(text, ") is 0x");
  if (!found) return fail(Blame::kRig, "QEMU's gpa2hva: {}", printable(text));
  return *found;
}

Status LiveGuest::find_host_addresses(Deadline deadline) {
  for (LiveRange& range : ranges_) {
    const std::uint64_t begin = raw(range.begin);
    RIG_ASSIGN(range.host, host_address(begin, deadline));
    RIG_ASSIGN(const std::uint64_t last, host_address(begin + range.size - 1, deadline));
    if (last - range.host != range.size - 1) {
      return fail(Blame::kRig, "the guest's memory at {:#x} is not in one piece", begin);
    }
    for (const std::uint64_t offset : {std::uint64_t{0}, range.size / 2 & ~std::uint64_t{15}}) {
      RIG_TRY(check_sample(range, offset, deadline));
    }
  }
  reads_process_ = true;
  return {};
}

// The monitor's own view of 16 bytes against ours: a wrong process does not pass for QEMU.
// "0000000000100000: 0x00010102464c457f 0x0000000000000000"
Status LiveGuest::check_sample(const LiveRange& range, std::uint64_t offset, Deadline deadline) {
  std::uint64_t ours[2] = {};
  if (range.size - offset < sizeof ours) return {};
  const std::uint64_t address = raw(range.begin) + offset;
  RIG_TRY(read_process(range, address, std::as_writable_bytes(std::span(ours))));
  RIG_ASSIGN(const std::string text, monitor(fmt::format("xp /2gx {:#x}", address), deadline));
  if (text.find(fmt::format(": {:#018x} {:#018x}", ours[0], ours[1])) == std::string::npos) {
    return fail(Blame::kRig, "process {} does not hold the guest's memory at {:#x}", pid_, address);
  }
  return {};
}

const LiveRange* LiveGuest::range_of(std::uint64_t address) const {
  for (const LiveRange& range : ranges_) {
    if (address - raw(range.begin) < range.size) return &range;
  }
  return nullptr;
}

Status LiveGuest::read(PhysAddr address, MutableBytes out) {
  if (stop_.stop_requested()) return fail(Blame::kCancelled, "stopped");
  std::uint64_t at = raw(address);
  while (!out.empty()) {
    const LiveRange* range = range_of(at);
    if (range == nullptr) return fail(Blame::kInput, "no memory at {:#x}", at);
    const std::uint64_t left = range->size - (at - raw(range->begin));
    const std::size_t count = std::min<std::uint64_t>(out.size(), left);
    RIG_TRY(reads_process_ ? read_process(*range, at, out.first(count))
                           : read_saved(*range, at, out.first(count)));
    out = out.subspan(count);
    at += count;
  }
  return {};
}

Status LiveGuest::read_process(const LiveRange& range, std::uint64_t address,
                               MutableBytes out) const {
  std::uint64_t host = range.host + (address - raw(range.begin));
  while (!out.empty()) {
    const iovec ours{out.data(), out.size()};
    const iovec theirs{reinterpret_cast<void*>(host), out.size()};  // NOLINT: of another process
    const ssize_t got = ::process_vm_readv(pid_, &ours, 1, &theirs, 1, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      return fail_errno(got == 0 ? EFAULT : errno,
                        fmt::format("cannot read the memory of process {}", pid_));
    }
    out = out.subspan(static_cast<std::size_t>(got));
    host += static_cast<std::uint64_t>(got);
  }
  return {};
}

Result<const std::string*> LiveGuest::saved_block(const LiveRange& range, std::uint64_t begin) {
  if (const auto known = saved_.find(begin); known != saved_.end()) return &known->second;
  if (!folder_) {
    RIG_ASSIGN(folder_, TempDir::create("crashrig-live"));
  }
  const std::uint64_t size = std::min(kBlock, range.size - (begin - raw(range.begin)));
  const fs::path file = folder_->path() / "memory";
  const auto reply =
      qmp_->execute("pmemsave", {{"val", begin}, {"size", size}, {"filename", file.string()}},
                    Deadline::after(kOneRead), stop_);
  if (!reply) {
    Error error = reply.error();
    error.hint = "run as root or as QEMU's user, so that QEMU's memory can be read directly";
    return tl::unexpected(std::move(error));
  }
  RIG_ASSIGN(std::string bytes, read_file(file, kBlock));
  std::error_code ignored;
  fs::remove(file, ignored);
  if (bytes.size() != size)
    return fail(Blame::kRig, "QEMU's pmemsave wrote {} bytes", bytes.size());
  if (saved_.size() >= kMaxBlocks) saved_.clear();
  return &(saved_[begin] = std::move(bytes));
}

Status LiveGuest::read_saved(const LiveRange& range, std::uint64_t address, MutableBytes out) {
  const std::uint64_t start = raw(range.begin);
  while (!out.empty()) {
    const std::uint64_t begin = start + (address - start) / kBlock * kBlock;
    RIG_ASSIGN(const std::string* block, saved_block(range, begin));
    const std::uint64_t inside = address - begin;
    const std::size_t count = std::min<std::uint64_t>(out.size(), block->size() - inside);
    std::memcpy(out.data(), block->data() + inside, count);
    out = out.subspan(count);
    address += count;
  }
  return {};
}

Result<std::unique_ptr<LiveGuest>> open_live(const fs::path& qmp_socket, Deadline deadline,
                                             std::stop_token stop) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = qmp_socket.string();
  if (path.size() >= sizeof address.sun_path) {
    return fail(Blame::kInput, "{} is too long a path for a socket", path);
  }
  path.copy(address.sun_path, path.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno(errno, "cannot create a socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    if (error == EAGAIN) {
      return fail_hint(Blame::kInput, "end the other client, or give QEMU a second -qmp socket",
                       "{} has other clients waiting", path);
    }
    return fail_errno(error, fmt::format("cannot connect to QEMU at {}", path), Blame::kInput);
  }
  auto guest = LiveGuest::create(std::move(socket), deadline, std::move(stop));
  if (!guest) return wrap(path, guest.error());
  return guest;
}

}  // namespace rig::vm
