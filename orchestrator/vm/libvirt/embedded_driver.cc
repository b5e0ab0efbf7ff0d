// SPDX-License-Identifier: Apache-2.0
#include "vm/libvirt/embedded_driver.h"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace rig::vm::libvirt {
namespace {

// QEMU as the user that we are, without confinement that needs a host set up for it.
constexpr std::string_view kQemuConf =
    "user = \"{user}\"\ngroup = \"{user}\"\nsecurity_driver = \"none\"\ncgroup_controllers = []\n"
    "namespaces = []\nremember_owner = 0\nstdio_handler = \"file\"\n";

// Waits for the end of its stdin, which is ours. A process id may be another's by then: its command
// line must name the folder.
constexpr const char* kGuard = R"(read -r nothing
for file in "$1"/run/qemu/*.pid; do
  pid=$(cat "$file" 2>/dev/null) || continue
  grep -qaF -- "$1" "/proc/$pid/cmdline" 2>/dev/null && kill -9 "$pid"
done
if [ "$2" = ours ]; then rm -rf -- "$1"; fi
)";

struct Spawn {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  Spawn() {
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawnattr_init(&attributes);
  }
  ~Spawn() {
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
  }
};

// Its life line is the writing end of a pipe that only this process has, until its end.
Status start_guard(const fs::path& root, bool ours) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "cannot create a pipe");
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  Spawn spawn;
  // A session of its own: a terminal's Ctrl-C is not meant for it.
  ::posix_spawnattr_setflags(&spawn.attributes, POSIX_SPAWN_SETSID);
  ::posix_spawn_file_actions_adddup2(&spawn.files, reading.get(), 0);
  for (const int fd : {1, 2}) {
    ::posix_spawn_file_actions_addopen(&spawn.files, fd, "/dev/null", O_WRONLY, 0);
  }
  ::posix_spawn_file_actions_addclosefrom_np(&spawn.files, 3);
  std::string folder = root.string();
  const char* arguments[] = {
      "sh", "-c", kGuard, "crashrig-guard", folder.c_str(), ours ? "ours" : "kept", nullptr};
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, "/bin/sh", &spawn.files, &spawn.attributes,
                                  const_cast<char* const*>(arguments), environ);
  if (error != 0) return fail_errno(error, "cannot start the guard of embedded guests");
  writing.release();
  return {};
}

Status write_configuration(const fs::path& root) {
  std::error_code error;
  const fs::path file = root / "etc" / "qemu.conf";
  if (fs::exists(file, error)) return {};
  fs::create_directories(file.parent_path(), error);
  if (error) {
    return fail(Blame::kInput, "cannot create {}: {}", file.parent_path().string(),
                error.message());
  }
  std::string text(kQemuConf);
  for (auto at = text.find("{user}"); at != std::string::npos; at = text.find("{user}")) {
    text.replace(at, 6, fmt::format("+{}", ::geteuid()));
  }
  return write_file_atomically(file, text);
}

// What libvirt learns of the host's QEMUs takes seconds: it is kept between runs.
Status share_cache(const fs::path& root) {
  RIG_ASSIGN(const fs::path cache, cache_dir());
  std::error_code error;
  fs::create_directories(cache / "libvirt", error);
  if (!error) fs::create_directory_symlink(cache / "libvirt", root / "cache", error);
  if (!error) return {};
  return fail(Blame::kRig, "cannot link {}: {}", (root / "cache").string(), error.message());
}

Result<fs::path> prepare_root(const fs::path& wanted) {
  if (!wanted.empty()) {
    RIG_TRY(write_configuration(wanted));
    RIG_TRY(start_guard(wanted, false));
    return wanted;
  }
  // Not in $TMPDIR: the paths of sockets below it must stay short (sun_path has 108 bytes).
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  RIG_ASSIGN(TempDir folder,
             TempDir::create("crashrig", fs::path(runtime != nullptr ? runtime : "/tmp")));
  RIG_TRY(write_configuration(folder.path()));
  RIG_TRY(share_cache(folder.path()));
  RIG_TRY(start_guard(folder.path(), true));  // it removes the folder
  const fs::path root = folder.path();
  folder.release();
  return root;
}

}  // namespace

Result<std::string> embedded_uri(const fs::path& root) {
  static std::mutex mutex;
  static std::optional<std::pair<fs::path, fs::path>> used;  // as asked for, as it is
  const std::lock_guard lock(mutex);
  if (used && used->first != root) {
    return fail(Blame::kInput, "the embedded driver of this process is in {} already",
                used->second.string());
  }
  if (!used) {
    RIG_ASSIGN(const fs::path made, prepare_root(root));
    used.emplace(root, made);
  }
  return fmt::format("qemu:///embed?root={}", used->second.string());
}

}  // namespace rig::vm::libvirt
