// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/mounts.h"

#include "analyzer/facts/guest_walks.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxMounts = 100'000;  // sysctl fs.mount-max
constexpr std::uint64_t kMaxDevice = 4096;

struct Option {
  std::uint64_t flag;
  std::string_view name;
};
// SB_* of include/linux/fs.h and MNT_* of include/linux/mount.h, in the order of /proc/mounts.
constexpr std::uint64_t kSbReadOnly = 0x1, kMntReadOnly = 0x40;
constexpr std::uint64_t kMntCursor = 0x1000'0000;  // a reader of /proc/mounts, until v6.8
constexpr Option kSuperblockOptions[] = {
    {0x10, "sync"}, {0x80, "dirsync"}, {0x40, "mand"}, {0x200'0000, "lazytime"}};
constexpr Option kMountOptions[] = {{0x1, "nosuid"},      {0x2, "nodev"},       {0x4, "noexec"},
                                    {0x8, "noatime"},     {0x10, "nodiratime"}, {0x20, "relatime"},
                                    {0x80, "nosymfollow"}};

std::optional<MountFacts> read_mount(const PathReader& paths, VirtAddr at) {
  const FieldReader& fields = paths.fields();
  const auto flags = fields.value(at, "mount.mnt.mnt_flags");
  if (flags && (*flags & kMntCursor) != 0) return std::nullopt;
  MountFacts facts;
  facts.at = at;
  facts.device = fields.string(at, "mount.mnt_devname", kMaxDevice);
  if (facts.device.empty()) facts.device = "none";
  const auto superblock = fields.pointer(at, "mount.mnt.mnt_sb");
  if (superblock) {
    facts.superblock = *superblock;
    facts.type = paths.filesystem(*superblock);
    const auto sb_flags = fields.value(*superblock, "super_block.s_flags");
    if (flags && sb_flags) facts.options = mount_options(*sb_flags, *flags);
  }
  const auto inner = fields.place(at, "mount.mnt");
  const auto root = fields.pointer(at, "mount.mnt.mnt_root");
  facts.directory = inner && root ? paths.name({*inner, *root}) : "<unreadable>";
  return facts;
}

}  // namespace

std::string mount_options(std::uint64_t superblock_flags, std::uint64_t mount_flags) {
  const bool read_only = (superblock_flags & kSbReadOnly) != 0 || (mount_flags & kMntReadOnly) != 0;
  std::string text = read_only ? "ro" : "rw";
  const auto add = [&](const auto& options, std::uint64_t flags) {
    for (const Option& each : options) {
      if ((flags & each.flag) != 0) text += fmt::format(",{}", each.name);
    }
  };
  add(kSuperblockOptions, superblock_flags);
  add(kMountOptions, mount_flags);
  return text;
}

std::vector<MountFacts> mount_facts(const PathReader& paths, VirtAddr task,
                                    std::vector<std::string>& problems) {
  const FieldReader& fields = paths.fields();
  std::vector<MountFacts> mounts;
  const auto proxy = fields.pointer(task, "task_struct.nsproxy");
  const auto space = proxy ? fields.pointer(*proxy, "nsproxy.mnt_ns") : std::nullopt;
  if (!space) {
    problems.emplace_back("mounts: the task has no mount namespace (any more)");
    return mounts;
  }
  const auto visit = [&](VirtAddr at) {
    if (auto mount = read_mount(paths, at)) mounts.push_back(*std::move(mount));
  };
  // A list until 2eea9ce4310d (v6.8), since then a tree by the mounts' ids.
  const auto list = fields.place(*space, "mnt_namespace.list");
  const auto tree = fields.place(*space, "mnt_namespace.mounts");
  const auto link = fields.member("mount.mnt_list");
  const auto node = fields.member("mount.mnt_node");
  std::string broken = "this kernel's struct mnt_namespace is not one we know";
  if (list && link) {
    broken = walk_list(fields.kernel().memory(), *list, link->offset, visit, kMaxMounts);
  } else if (tree && node) {
    broken = walk_rbtree(fields, *tree, node->offset, visit, kMaxMounts);
  }
  if (!broken.empty()) problems.push_back(fmt::format("mounts: the list is broken ({})", broken));
  return mounts;
}

}  // namespace rig::analyzer
