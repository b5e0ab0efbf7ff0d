// SPDX-License-Identifier: Apache-2.0
// A machine that libvirt runs: in our own process, by a daemon, on another host. Transient, gone
// with its connection. docs/LIBVIRT.md says what is asked of the host.
//
// One thread owns it, as every Vm. Beside that thread are libvirt's (event_thread.h) and one that
// makes its blocking calls (caller.h); both only leave work for this machine's loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vm/guest_vm.h"
#include "vm/libvirt/caller.h"
#include "vm/libvirt/host.h"
#include "vm/qemu/accelerator.h"

namespace rig::vm::libvirt {

Result<std::unique_ptr<Vm>> start_libvirt(const VmConfig& config);
Result<std::string> identify_libvirt(const VmConfig& config);
Result<std::vector<std::string>> check_libvirt(const VmConfig& config);

class LibvirtVm final : public GuestVm {
 public:
  static Result<std::unique_ptr<Vm>> start(const VmConfig& config, HostUri uri);
  ~LibvirtVm() override;

  Status stop(Deadline) override;
  Status resume(Deadline) override;
  Result<bool> inject_nmi(Deadline) override;
  Status dump(const fs::path& path, DumpFormat format, const ProgressSink& progress,
              Deadline) override;

 private:
  LibvirtVm(const VmConfig& config, Loop loop, HostUri uri);
  Status launch();
  Status make_disks(std::vector<int>& disks);
  Status wire();

  bool gone() const override { return gone_.has_value(); }
  void notice_end() override;
  Error gone_error(std::string_view doing) const override;
  Error explain(Error error, std::string_view doing) override;
  void on_console_line(std::string_view line) override;

  Status call(std::string_view doing, Deadline deadline, std::function<Status()> work);
  void on_notice(const DomainNotice& notice);
  // Runs `then` once the guest's last words are here.
  void after_last_words(std::function<void()> then);
  void ask_why_stopped();
  void on_stopped(const std::string& status);
  void on_ended_by_itself(Guest state, EventKind kind, const std::string& text);

  std::string name_;  // of the domain
  std::optional<std::string> gone_;
  std::vector<UniqueFd> disks_;
  std::optional<TempDir> folder_;  // for the debugger's socket
  std::shared_ptr<Host> host_;
  Caller caller_;  // last: its work ends in the rest
};

}  // namespace rig::vm::libvirt
