// SPDX-License-Identifier: Apache-2.0
// Names of files as the kernel would print them: from a dentry and its mount up to the root of all
// mounts. Format: fs/d_path.c, fs/mount.h.
#pragma once

#include <string>

#include "analyzer/facts/field_reader.h"

namespace rig::analyzer {

// struct path: which dentry, seen through which mount.
struct GuestPath {
  VirtAddr mount{};  // struct vfsmount
  VirtAddr dentry{};
};

class PathReader {
 public:
  explicit PathReader(const Kernel& kernel) : fields_(kernel) {}

  const FieldReader& fields() const { return fields_; }

  // The struct path at `at`; nothing when it is empty or cannot be read.
  std::optional<GuestPath> path_at(VirtAddr at) const;

  // "/dev/console", "/tmp/x (deleted)", "pipe:[123]", "anon_inode:[eventpoll]", "/memfd:x
  // (deleted)". What cannot be read is said in place: "<unreadable>/x".
  std::string name(const GuestPath& path) const;

  // The inode of a dentry; nothing for a negative one.
  std::optional<VirtAddr> inode(VirtAddr dentry) const {
    return fields_.pointer(dentry, "dentry.d_inode");
  }
  // "ext4", as /proc/mounts has it: with the subtype, "fuse.sshfs".
  std::string filesystem(VirtAddr superblock) const;

 private:
  std::string special_name(VirtAddr dentry) const;
  std::string socket_name(VirtAddr inode) const;
  std::optional<VirtAddr> mount_of(VirtAddr vfsmount) const;
  std::string dentry_name(VirtAddr dentry) const;
  bool deleted(VirtAddr dentry) const;

  FieldReader fields_;
  mutable std::uint64_t steps_left_ = 1 << 21;  // for all names: a hostile core has no end of them
};

}  // namespace rig::analyzer
