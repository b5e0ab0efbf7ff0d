// SPDX-License-Identifier: Apache-2.0
#include "vm/libvirt/host.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

#include "base/text.h"
#include "guest/protocol.h"
#include "vm/libvirt/embedded_driver.h"
#include "vm/libvirt/event_thread.h"

namespace rig::vm::libvirt {
namespace {

constexpr std::chrono::milliseconds kSilence{60};  // of a console whose guest stopped
constexpr std::chrono::seconds kMostWords{3};
constexpr int kKeepAliveSeconds = 5;
constexpr unsigned kKeepAliveMisses = 4;

std::string_view next_step(const HostUri& uri) {
  if (uri.embedded) return "is libvirt-daemon-driver-qemu installed, and the folder ours alone?";
  if (uri.remote)
    return "can you `ssh` there without a password, and does `virsh list` work there?";
  return "is it installed and running? `apt-get install libvirt-daemon-system`, `systemctl start "
         "libvirtd`; or use --vm embed, which needs no daemon";
}

std::string dotted(unsigned long version) {
  return fmt::format("{}.{}.{}", version / 1000000, version / 1000 % 1000, version % 1000);
}

unsigned dump_format(DumpFormat format) {
  switch (format) {
    case DumpFormat::kKdumpZlib:
      return VIR_DOMAIN_CORE_DUMP_FORMAT_KDUMP_ZLIB;
    case DumpFormat::kKdumpLzo:
      return VIR_DOMAIN_CORE_DUMP_FORMAT_KDUMP_LZO;
    case DumpFormat::kKdumpSnappy:
      return VIR_DOMAIN_CORE_DUMP_FORMAT_KDUMP_SNAPPY;
    case DumpFormat::kElf:
      return VIR_DOMAIN_CORE_DUMP_FORMAT_RAW;
  }
  return VIR_DOMAIN_CORE_DUMP_FORMAT_RAW;
}

Connection open_connection(const std::string& uri) {
  return Connection(virConnectOpen(uri.c_str()), [](virConnect* connection) {
    if (connection != nullptr) virConnectClose(connection);
  });
}

// One for the process: each opening registers the driver anew, and libvirt has room for few.
Connection embedded_connection(const std::string& uri) {
  static std::mutex mutex;
  static Connection& kept = *new Connection;  // in use until the end of the process
  const std::lock_guard lock(mutex);
  if (!kept) kept = open_connection(uri);
  return kept;
}

}  // namespace

Status Host::connect() {
  RIG_TRY(start_event_thread());
  std::string text = uri_.text;
  if (uri_.embedded) {
    RIG_ASSIGN(text, embedded_uri(uri_.root));
  }
  connection_ = uri_.embedded ? embedded_connection(text) : open_connection(text);
  if (!connection_) {
    Error error = fail_libvirt(fmt::format("connecting to {}", text)).value();
    error.hint = next_step(uri_);
    return tl::unexpected(std::move(error));
  }
  // A host that goes away without a word is noticed. (Local drivers have no use for it.)
  if (uri_.remote) virConnectSetKeepAlive(connection_.get(), kKeepAliveSeconds, kKeepAliveMisses);
  unsigned long library = 0;
  unsigned long qemu = 0;
  virConnectGetLibVersion(connection_.get(), &library);
  virConnectGetVersion(connection_.get(), &qemu);
  version_ = fmt::format("{} (libvirt {}, {})", dotted(qemu), dotted(library),
                         uri_.embedded && uri_.root.empty() ? "embed" : text);
  return {};
}

Result<HostCapabilities> Host::capabilities(const qemu::Machine& machine,
                                            std::string_view accelerator) {
  const std::string arch(libvirt_arch(machine.arch));
  const std::string type = split(machine.type, ',').front();
  const Owned<char> xml(virConnectGetDomainCapabilities(connection_.get(), nullptr, arch.c_str(),
                                                        type.c_str(),
                                                        accelerator == "kvm" ? "kvm" : "qemu", 0));
  if (!xml) {
    Error error = fail_libvirt(fmt::format("asking for {} guests", arch), Blame::kInput).value();
    error.hint = fmt::format("install {} on that host", machine.debian_package);
    return tl::unexpected(std::move(error));
  }
  return parse_domain_capabilities(xml.get());
}

Result<PoolFiles*> Host::pool() {
  if (!pool_) {
    RIG_ASSIGN(pool_, PoolFiles::open(connection_));
  }
  return &*pool_;
}

Result<DomainFiles> Host::place(const VmConfig& config, const std::vector<int>& disks,
                                const std::string& name) {
  DomainFiles files;
  if (uri_.shares_files) {
    files.kernel = config.kernel.string();
    files.initramfs = config.initramfs.string();
    for (std::size_t i = 0; i < disks.size(); ++i) {
      files.disks.push_back(disks[i] < 0 ? config.disks[i].image.string()
                                         : fmt::format("/proc/{}/fd/{}", ::getpid(), disks[i]));
    }
    return files;
  }
  RIG_ASSIGN(PoolFiles * there, pool());
  RIG_ASSIGN(files.kernel, there->send(config.kernel));
  if (!config.initramfs.empty()) {
    RIG_ASSIGN(files.initramfs, there->send(config.initramfs));
  }
  for (std::size_t i = 0; i < disks.size(); ++i) {
    if (disks[i] < 0) {
      RIG_ASSIGN(std::string image, there->send(config.disks[i].image));
      files.disks.push_back(std::move(image));
      continue;
    }
    volumes_.push_back(fmt::format("{}-disk{}", name, i));
    RIG_ASSIGN(std::string disk, there->send_as(volumes_.back(), disks[i]));
    files.disks.push_back(std::move(disk));
  }
  return files;
}

Status Host::create(const std::string& xml) {
  // Embedded drivers refuse the second: there the guard does it (embedded_driver.h).
  const unsigned flags =
      VIR_DOMAIN_START_PAUSED | (uri_.embedded ? 0u : unsigned{VIR_DOMAIN_START_AUTODESTROY});
  virDomain* domain = virDomainCreateXML(connection_.get(), xml.c_str(), flags);
  if (domain == nullptr) return fail_libvirt("starting the guest");
  domain_ = Domain(domain, Release());
  return {};
}

Result<std::unique_ptr<StreamRelay>> Host::open_wire(bool console, UniqueFd socket) {
  Owned<virStream> stream(virStreamNew(connection_.get(), VIR_STREAM_NONBLOCK));
  const std::string port(guest::kPortName);
  const int opened = !stream   ? -1
                     : console ? virDomainOpenConsole(domain_.get(), nullptr, stream.get(), 0)
                               : virDomainOpenChannel(domain_.get(), port.c_str(), stream.get(), 0);
  if (opened < 0) return fail_libvirt(console ? "opening the console" : "opening the channel");
  return StreamRelay::start(std::move(stream), std::move(socket));
}

Status Host::open_wires(UniqueFd console, UniqueFd agent) {
  RIG_ASSIGN(console_, open_wire(true, std::move(console)));
  RIG_ASSIGN(agent_, open_wire(false, std::move(agent)));
  return {};
}

Status Host::listen(std::function<void(DomainNotice)> on_notice) {
  RIG_ASSIGN(events_, DomainEvents::listen(connection_, domain_, std::move(on_notice)));
  return {};
}

Status Host::suspend() {
  if (virDomainSuspend(domain_.get()) < 0) return fail_libvirt("stopping the guest");
  return {};
}

// A domain that a dump has let go on by itself is where it is wanted.
Status Host::resume() {
  if (virDomainResume(domain_.get()) == 0) return {};
  auto failure = fail_libvirt("resuming the guest");
  int state = VIR_DOMAIN_NOSTATE;
  const bool runs =
      virDomainGetState(domain_.get(), &state, nullptr, 0) == 0 && state == VIR_DOMAIN_RUNNING;
  return runs ? Status() : Status(std::move(failure));
}

Status Host::inject_nmi() {
  if (virDomainInjectNMI(domain_.get(), 0) < 0) return fail_libvirt("sending an NMI");
  return {};
}

Result<std::string> Host::qemu_status() {
  char* answer = nullptr;
  const int asked = virDomainQemuMonitorCommand(domain_.get(), R"({"execute": "query-status"})",
                                                &answer, VIR_DOMAIN_QEMU_MONITOR_COMMAND_DEFAULT);
  const Owned<char> text(answer);
  if (asked < 0 || !text) return fail_libvirt("asking why the guest stopped");
  boost::system::error_code error;
  const boost::json::value reply = boost::json::parse(text.get(), error);
  const boost::json::value* status = error ? nullptr : reply.find_pointer("/return/status", error);
  if (status == nullptr || !status->is_string()) {
    return fail(Blame::kRig, "QEMU's status is none: {}", printable(text.get()));
  }
  return std::string(status->as_string());
}

Status Host::dump(const std::string& path, DumpFormat format) {
  if (virDomainCoreDumpWithFormat(domain_.get(), path.c_str(), dump_format(format),
                                  VIR_DUMP_MEMORY_ONLY) == 0) {
    return {};
  }
  Error error = fail_libvirt("dumping the guest's memory").value();
  if (error.what.find("format") != std::string::npos) {
    error.hint = "this QEMU was built without it; every QEMU has kdump-zlib and elf";
  }
  return tl::unexpected(std::move(error));
}

Result<std::string> Host::core_path(const std::string& name) {
  RIG_ASSIGN(PoolFiles * there, pool());
  volumes_.push_back(name);
  return there->path_of(name);
}

Status Host::fetch(const std::string& name, int file) {
  RIG_ASSIGN(PoolFiles * there, pool());
  const Status status = there->fetch(name, file);
  there->remove(name);
  return status;
}

void Host::await_quiet() {
  const Deadline deadline = Deadline::after(kMostWords);
  for (const StreamRelay* relay : {agent_.get(), console_.get()}) {
    if (relay != nullptr) StreamRelay::await_quiet(relay->state(), kSilence, deadline);
  }
}

// A daemon that was killed and started again has taken the domain over, and knows no more that it
// was to end with us.
void Host::end_after_restart() {
  constexpr auto kReturnTime = std::chrono::seconds(10);
  constexpr auto kStep = std::chrono::milliseconds(250);
  const std::string name = virDomainGetName(domain_.get());  // kept on this side
  const bool pooled = std::exchange(pool_, {}).has_value();
  const Deadline deadline = Deadline::after(kReturnTime);
  while (!(connection_ = open_connection(uri_.text)) && !deadline.expired()) {
    std::this_thread::sleep_for(kStep);
  }
  if (!connection_) return;
  domain_ = Domain(virDomainLookupByName(connection_.get(), name.c_str()), Release());
  if (domain_) virDomainDestroy(domain_.get());
  if (!pooled) return;
  if (auto pool = PoolFiles::open(connection_); pool) pool_ = *std::move(pool);
}

void Host::end() {
  events_.reset();
  const bool ended = !domain_ || virDomainDestroy(domain_.get()) == 0;
  if (!ended && virConnectIsAlive(connection_.get()) == 0) end_after_restart();
  console_.reset();
  agent_.reset();
  for (const std::string& name : std::exchange(volumes_, {})) {
    if (pool_) pool_->remove(name);
  }
  domain_.reset();
  pool_.reset();
  connection_.reset();
}

}  // namespace rig::vm::libvirt
