// SPDX-License-Identifier: Apache-2.0
// QemuVm::dump(): QEMU's dump-guest-memory into a descriptor of ours.
// QEMU 7.2 writes its kdump formats flattened only, whatever the descriptor is: they come through a
// pipe and are put in order on their way to disk. ELF goes to the file itself.
#include <boost/json/object.hpp>

#include "base/text.h"
#include "vm/dump_file.h"
#include "vm/qemu/qemu_vm.h"

namespace rig::vm::qemu {
namespace {

constexpr std::string_view kFdName = "core";
constexpr std::chrono::milliseconds kProgressPeriod{200};

std::string_view qemu_name(DumpFormat format) {
  switch (format) {
    case DumpFormat::kKdumpZlib:
      return "kdump-zlib";
    case DumpFormat::kKdumpLzo:
      return "kdump-lzo";
    case DumpFormat::kKdumpSnappy:
      return "kdump-snappy";
    case DumpFormat::kElf:
      return "elf";
  }
  return "elf";
}

// The thread is named so by QEMU's -name debug-threads=on.
bool dump_thread_runs(pid_t qemu) {
  std::error_code error;
  for (fs::directory_iterator task(fmt::format("/proc/{}/task", qemu), error), end;
       !error && task != end; task.increment(error)) {
    const auto name = read_file(task->path() / "comm", 64);
    if (name && name->starts_with("dump_thread")) return true;
  }
  return false;
}

std::uint64_t number(const boost::json::object& object, std::string_view key) {
  const boost::json::value* value = object.if_contains(key);
  const std::int64_t* found = value != nullptr ? value->if_int64() : nullptr;
  return found != nullptr && *found > 0 ? static_cast<std::uint64_t>(*found) : 0;
}

}  // namespace

Status QemuVm::dump(const fs::path& path, DumpFormat format, const ProgressSink& progress,
                    Deadline deadline) {
  RIG_ASSIGN(PendingFile file, PendingFile::create(path));
  const std::string_view name = qemu_name(format);
  RIG_TRY(format == DumpFormat::kElf ? dump_elf(path, file.fd(), progress, deadline)
                                     : dump_kdump(path, name, file.fd(), progress, deadline));
  return file.commit();
}

Status QemuVm::dump_elf(const fs::path& path, int file, const ProgressSink& progress,
                        Deadline deadline) {
  RIG_TRY(begin_dump(file, qemu_name(DumpFormat::kElf), deadline));
  RIG_TRY(await_dump([this] { return dump_end_.has_value(); }, progress, deadline));
  if (dump_end_->error.empty()) return {};
  // QEMU passes on the text of errno only.
  if (dump_end_->error.find("No space left") != std::string::npos) {
    std::error_code ignored;
    const auto written = fs::file_size(fmt::format("/proc/self/fd/{}", file), ignored);
    return tl::unexpected(
        dump_write_error(ENOSPC, path, ignored ? 0 : written, config_.memory_bytes));
  }
  return fail(Blame::kRig, "QEMU could not dump the guest's memory: {}", dump_end_->error);
}

Status QemuVm::dump_kdump(const fs::path& path, std::string_view format, int file,
                          const ProgressSink& progress, Deadline deadline) {
  RIG_ASSIGN(const auto receiver, DumpReceiver::create(loop_, file));
  {
    const UniqueFd writing_end = receiver->take_writing_end();
    RIG_TRY(begin_dump(writing_end.get(), format, deadline));
  }
  RIG_TRY(await_dump([&] { return dump_end_ && receiver->ended(); }, progress, deadline));
  if (receiver->write_error() != 0) {
    return tl::unexpected(
        dump_write_error(receiver->write_error(), path, receiver->written(), config_.memory_bytes));
  }
  if (receiver->damage()) return wrap("QEMU's dump", *receiver->damage());
  if (!dump_end_->error.empty()) {
    return fail(Blame::kRig, "QEMU could not dump the guest's memory: {}", dump_end_->error);
  }
  if (!receiver->whole()) return fail(Blame::kRig, "QEMU's dump ended before it was whole");
  return {};
}

// QEMU (7.2) tells DUMP_COMPLETED before the thread that dumped has cleaned up, and crashes when
// the next dump begins meanwhile.
Status QemuVm::await_dump_thread(Deadline deadline) {
  constexpr std::chrono::milliseconds kPeriod{1};
  while (child_ && child_->alive() && dump_thread_runs(child_->pid())) {
    RIG_TRY(wait([] { return false; }, deadline.sooner(Deadline::after(kPeriod)), "dumping"));
    if (deadline.expired()) return fail(Blame::kRig, "QEMU's previous dump does not end");
  }
  return {};
}

// Hands the descriptor over and starts a dump that QEMU runs by itself.
Status QemuVm::begin_dump(int fd, std::string_view format, Deadline deadline) {
  RIG_TRY(await_dump_thread(deadline));
  dump_end_.reset();
  auto reply = qmp_->execute("getfd", {{"fdname", kFdName}}, deadline, config_.stop, fd);
  if (!reply) return tl::unexpected(explain(std::move(reply).error(), "starting a dump"));
  reply = qmp_->execute("dump-guest-memory",
                        {{"paging", false},
                         {"protocol", fmt::format("fd:{}", kFdName)},
                         {"detach", true},
                         {"format", format}},
                        deadline, config_.stop);
  if (reply) return {};
  // QEMU keeps the descriptor when it refuses the dump.
  if (!qmp_->broken()) qmp_->send("closefd", {{"fdname", kFdName}}, [](Qmp::Reply) {});
  Error error = explain(std::move(reply).error(), "starting a dump");
  if (error.what.find("not available") != std::string::npos) {
    error.hint = "this QEMU was built without it; every QEMU has kdump-zlib and elf";
  }
  return tl::unexpected(std::move(error));
}

Status QemuVm::await_dump(const std::function<bool()>& done, const ProgressSink& progress,
                          Deadline deadline) {
  tell(progress, {.step = "dump", .fraction = 0.0, .detail = {}});
  for (;;) {
    const Deadline pause = deadline.sooner(Deadline::after(kProgressPeriod));
    RIG_ASSIGN(const bool ended, wait(done, pause, "dumping"));
    if (ended) break;
    if (deadline.expired()) {
      return fail_hint(
          Blame::kRig,
          "this machine or its disk is too slow for a guest of that size: give it less "
          "memory, or run fewer at once (-j)",
          "the dump of {} was not done in time", human_bytes(config_.memory_bytes));
    }
    if (progress) tell_dump_progress(progress, deadline);
  }
  tell(progress, {.step = "dump", .fraction = 1.0, .detail = {}});
  return {};
}

void QemuVm::tell_dump_progress(const ProgressSink& progress, Deadline deadline) {
  const auto reply = qmp_->execute("query-dump", {}, deadline, config_.stop);
  if (!reply || !reply->is_object()) return;  // wait() finds out why
  const std::uint64_t total = number(reply->as_object(), "total");
  const std::uint64_t completed = number(reply->as_object(), "completed");
  if (total == 0) return;
  tell(
      progress,
      {.step = "dump", .fraction = std::min(1.0, double(completed) / double(total)), .detail = {}});
}

}  // namespace rig::vm::qemu
