// SPDX-License-Identifier: Apache-2.0
// LibvirtVm::dump(): virDomainCoreDumpWithFormat(), which writes where the host says. On this host
// that is a pipe of ours with a name, so the core is put in order on its way to disk and never
// there twice. From another host it is fetched out of the storage pool, as a stream, into the same
// kind of pipe.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "vm/dump_file.h"
#include "vm/libvirt/libvirt_vm.h"

namespace rig::vm::libvirt {
namespace {

constexpr std::chrono::seconds kPipeEndTime{10};

// Where a core comes from, and the calls that make it come.
struct CoreSource {
  UniqueFd reading;
  // Ours; the stream ends when it and the host's are closed.
  std::shared_ptr<UniqueFd> writing = std::make_shared<UniqueFd>();
  std::optional<TempDir> folder;  // of a pipe with a name
  std::function<Status()> fetch;
};

Result<CoreSource> local_source(std::shared_ptr<Host> host, DumpFormat format) {
  CoreSource source;
  RIG_ASSIGN(source.folder, TempDir::create("crashrig-core"));
  const std::string path = source.folder->path() / "core";
  if (::mkfifo(path.c_str(), 0600) != 0) return fail_errno(errno, "cannot make a named pipe");
  source.reading.reset(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  source.writing->reset(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (!source.reading || !*source.writing) return fail_errno(errno, "cannot open a named pipe");
  source.fetch = [host = std::move(host), path, format] { return host->dump(path, format); };
  return source;
}

Result<CoreSource> remote_source(std::shared_ptr<Host> host, const std::string& name,
                                 DumpFormat format) {
  CoreSource source;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "cannot create a pipe");
  source.reading.reset(ends[0]);
  source.writing->reset(ends[1]);
  source.fetch = [host = std::move(host), name, format, into = source.writing]() -> Status {
    RIG_ASSIGN(const std::string path, host->core_path(name));
    RIG_TRY(host->dump(path, format));
    return host->fetch(name, into->get());
  };
  return source;
}

}  // namespace

Status LibvirtVm::dump(const fs::path& path, DumpFormat format, const ProgressSink& progress,
                       Deadline deadline) {
  if (gone()) return tl::unexpected(gone_error("dumping"));
  if (guest_ == Guest::kReset || guest_ == Guest::kPoweredOff) {
    return fail_hint(Blame::kRig, "docs/LIBVIRT.md says why; without --vm its memory is kept",
                     "libvirt kept nothing of the guest's memory: {}", guest_state());
  }
  RIG_ASSIGN(PendingFile file, PendingFile::create(path));
  const bool remote = host_->uri().remote;
  RIG_ASSIGN(CoreSource source,
             remote ? remote_source(host_, name_ + "-core", format) : local_source(host_, format));
  RIG_ASSIGN(const auto receiver, DumpReceiver::create(loop_, file.fd(), std::move(source.reading),
                                                       format != DumpFormat::kElf));
  tell(progress, {.step = "dump", .fraction = 0.0, .detail = {}});
  Status fetched = call("dumping", deadline, std::move(source.fetch));
  source.writing.reset();
  if (receiver->write_error() != 0) {
    return tl::unexpected(
        dump_write_error(receiver->write_error(), path, receiver->written(), config_.memory_bytes));
  }
  if (!fetched) return fetched;
  RIG_TRY(wait([&] { return receiver->ended(); }, deadline.sooner(Deadline::after(kPipeEndTime)),
               "dumping"));
  if (receiver->damage()) return wrap("QEMU's dump", *receiver->damage());
  if (!receiver->whole()) return fail(Blame::kRig, "QEMU's dump ended before it was whole");
  tell(progress, {.step = "dump", .fraction = 1.0, .detail = {}});
  return file.commit();
}

}  // namespace rig::vm::libvirt
