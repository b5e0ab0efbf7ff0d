// SPDX-License-Identifier: Apache-2.0
// One connection to a libvirt host, and one guest's domain and files there. Every call blocks:
// they are for a Caller's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vm/libvirt/domain_events.h"
#include "vm/libvirt/domain_xml.h"
#include "vm/libvirt/handles.h"
#include "vm/libvirt/host_uri.h"
#include "vm/libvirt/pool_files.h"
#include "vm/libvirt/stream_relay.h"

namespace rig::vm::libvirt {

class Host {
 public:
  explicit Host(HostUri uri) : uri_(std::move(uri)) {}
  ~Host() { end(); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // Errors name the next step.
  Status connect();
  // "7.2.22 (libvirt 9.0.0, qemu:///system)"
  const std::string& version() const { return version_; }
  const HostUri& uri() const { return uri_; }

  // Of the machine, under this accelerator ("kvm", "tcg").
  Result<HostCapabilities> capabilities(const qemu::Machine& machine, std::string_view accelerator);

  // Where the guest's files are there: ours, or copies. `disks`: descriptors of empty disks, -1 for
  // those with an image.
  Result<DomainFiles> place(const VmConfig& config, const std::vector<int>& disks,
                            const std::string& name);

  // Creates the domain, paused; it ends with the connection.
  Status create(const std::string& xml);
  // Its console and its agent's channel come out of these sockets.
  Status open_wires(UniqueFd console, UniqueFd agent);
  Status listen(std::function<void(DomainNotice)> on_notice);
  Status suspend();
  Status resume();
  Status inject_nmi();
  // QEMU's own word for its state: "running", "guest-panicked".
  Result<std::string> qemu_status();
  // The memory into a file on the host: of ours, or with `pool` in the pool.
  Status dump(const std::string& path, DumpFormat format);
  Status fetch(const std::string& name, int file);
  Result<std::string> core_path(const std::string& name);

  // Waits until the guest's last words have come through.
  void await_quiet();
  // Ends the domain and removes what is its own there.
  void end();

 private:
  void end_after_restart();
  Result<PoolFiles*> pool();
  Result<std::unique_ptr<StreamRelay>> open_wire(bool console, UniqueFd socket);

  HostUri uri_;
  std::string version_;
  Connection connection_;
  Domain domain_;
  std::optional<PoolFiles> pool_;
  std::vector<std::string> volumes_;  // of this guest alone
  std::unique_ptr<DomainEvents> events_;
  std::unique_ptr<StreamRelay> console_;
  std::unique_ptr<StreamRelay> agent_;
};

}  // namespace rig::vm::libvirt
