// SPDX-License-Identifier: Apache-2.0
// Files on a host whose QEMU cannot read ours: volumes of a storage pool of the rig's own there.
// What was sent once is found again by its content. All calls block.
#pragma once

#include <string>

#include "base/file.h"
#include "vm/libvirt/handles.h"

namespace rig::vm::libvirt {

class PoolFiles {
 public:
  // The pool "crashrig", made when it is not there.
  static Result<PoolFiles> open(Connection connection);

  // The path on the host of a copy of this file.
  Result<std::string> send(const fs::path& local);
  // The same under this name, which remove() is called with.
  Result<std::string> send_as(const std::string& name, int file);
  // A path in the pool's folder, for a file that the host will write.
  std::string path_of(const std::string& name) const { return (folder_ / name).string(); }
  // A file that the host wrote there, into a descriptor of ours.
  Status fetch(const std::string& name, int file);
  void remove(const std::string& name);

 private:
  PoolFiles(Connection connection, Owned<virStoragePool> pool, fs::path folder)
      : connection_(std::move(connection)), pool_(std::move(pool)), folder_(std::move(folder)) {}
  Owned<virStorageVol> find(const std::string& name) const;
  Result<Owned<virStorageVol>> create(const std::string& name, std::uint64_t bytes);

  Connection connection_;
  Owned<virStoragePool> pool_;
  fs::path folder_;
};

}  // namespace rig::vm::libvirt
