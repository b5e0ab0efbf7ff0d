// SPDX-License-Identifier: Apache-2.0
#include "vm/qemu/disk_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/process.h"
#include "base/text.h"

namespace rig::vm::qemu {
namespace {

constexpr std::chrono::minutes kFormatTime{2};  // 0.05 s for 64 MiB; a loaded machine is slow

// The same blocks each time, as far as mke2fs lets choose, all of them written now: nothing is left
// for the guest's kernel to do in the background.
std::vector<std::string> format_args(const std::string& file) {
  constexpr const char* kUuid = "c7a54716-0000-4000-8000-000000000000";
  return {"-q", "-F",
          "-t", "ext4",
          "-b", "4096",
          "-U", kUuid,
          "-E", fmt::format("hash_seed={},lazy_itable_init=0,lazy_journal_init=0,nodiscard", kUuid),
          file};
}

Result<fs::path> find_mke2fs() {
  auto program = find_program("mke2fs", "e2fsprogs");
  if (!program) program = find_program("/usr/sbin/mke2fs", "e2fsprogs");  // not in a user's $PATH
  if (!program) {
    return fail_hint(Blame::kRig, "apt-get install e2fsprogs",
                     "cannot find mke2fs, which makes the ext4 of the scenario's disks");
  }
  return program;
}

// In $TMPDIR, which is not always able to make files without a name.
Result<UniqueFd> create_file(std::uint64_t size) {
  std::error_code error;
  const fs::path folder = fs::temp_directory_path(error);
  if (error) return fail(Blame::kRig, "no folder for temporary files: {}", error.message());
  UniqueFd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) {
    std::string pattern = (folder / "crashrig-disk.XXXXXX").string();
    fd.reset(::mkostemp(pattern.data(), O_CLOEXEC));
    if (fd) ::unlink(pattern.c_str());
  }
  if (fd) ::fchmod(fd.get(), 0666);  // it has no name: who gets the descriptor may open it again
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    return fail_errno(
        errno, fmt::format("cannot create a disk of {} in {}", human_bytes(size), folder.string()));
  }
  return fd;
}

}  // namespace

Result<UniqueFd> create_disk(const scenario::Disk& disk, const std::stop_token& stop) {
  RIG_ASSIGN(UniqueFd fd, create_file(disk.bytes));
  if (disk.format != scenario::kExt4) return fd;
  RIG_ASSIGN(const fs::path program, find_mke2fs());
  const std::string file = fmt::format("/proc/{}/fd/{}", ::getpid(), fd.get());
  RIG_TRY(run_ok({program.string(), format_args(file), {}, {}},
                 {.deadline = Deadline::after(kFormatTime), .stop = stop}));
  return fd;
}

Status check_disk_tools(std::span<const scenario::Disk> disks) {
  for (const scenario::Disk& disk : disks) {
    if (disk.format == scenario::kExt4) RIG_TRY(find_mke2fs());
  }
  return {};
}

std::string create_disk_by_hand(const scenario::Disk& disk, const std::string& file) {
  std::string line = fmt::format("truncate -s {} {} && ", disk.bytes, shell_quote(file));
  if (disk.format != scenario::kExt4) return line;
  return line + Command{"/usr/sbin/mke2fs", format_args(file), {}, {}}.to_shell() + " && ";
}

}  // namespace rig::vm::qemu
