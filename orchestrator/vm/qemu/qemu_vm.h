// SPDX-License-Identifier: Apache-2.0
// A machine run by a QEMU process of our own. Nothing of it has a path: monitor, console and agent
// are socket pairs, disks are unlinked files, so whatever kills us, nothing is left.
#pragma once

#include <memory>
#include <optional>

#include "vm/child.h"
#include "vm/guest_vm.h"
#include "vm/qemu/accelerator.h"
#include "vm/qemu/command_line.h"
#include "vm/qmp.h"
#include "vm/vm.h"

namespace rig::vm::qemu {

Result<std::unique_ptr<Vm>> start_qemu(const VmConfig& config);
Result<std::string> identify_qemu(const VmConfig& config);

class QemuVm final : public GuestVm {
 public:
  // The ends of the wires on our side; tests put a scripted QEMU at the others.
  struct Wires {
    UniqueFd monitor;
    UniqueFd console;
    UniqueFd agent;
    UniqueFd debugger = {};  // where VmConfig::breakpoints
  };

  // Starts QEMU and waits until it answers.
  static Result<std::unique_ptr<Vm>> start(const VmConfig& config, const Machine& machine,
                                           const fs::path& program, Accelerator accelerator);
  // The same over wires that somebody else serves; no process of ours then.
  static Result<std::unique_ptr<Vm>> attach(const VmConfig& config, Wires wires);
  ~QemuVm() override;

  Status stop(Deadline) override;
  Status resume(Deadline) override;
  Result<bool> inject_nmi(Deadline) override;
  Status dump(const fs::path& path, DumpFormat format, const ProgressSink& progress,
              Deadline) override;

 private:
  // How a dump that QEMU runs by itself ended (DUMP_COMPLETED): nothing while it runs.
  struct DumpEnd {
    std::string error;
  };

  static Result<std::unique_ptr<QemuVm>> create(const VmConfig& config);
  QemuVm(const VmConfig& config, Loop loop) : GuestVm(config, std::move(loop)) {}
  Status connect(Wires wires);
  Status launch(const Machine& machine, const fs::path& program);

  // qemu_vm.cc: events
  void on_monitor_event(const QmpEvent& event);
  void on_shutdown(const QmpEvent& event);
  void on_stop();
  bool gone() const override;
  void notice_end() override;
  Error gone_error(std::string_view doing) const override;
  Error explain(Error error, std::string_view doing) override;
  Status command(std::string_view name, Deadline deadline);

  // qemu_dump.cc
  Status dump_elf(const fs::path& path, int file, const ProgressSink& progress, Deadline deadline);
  Status dump_kdump(const fs::path& path, std::string_view format, int file,
                    const ProgressSink& progress, Deadline deadline);
  Status begin_dump(int fd, std::string_view format, Deadline deadline);
  Status await_dump(const std::function<bool()>& done, const ProgressSink& progress,
                    Deadline deadline);
  Status await_dump_thread(Deadline deadline);
  void tell_dump_progress(const ProgressSink& progress, Deadline deadline);

  std::optional<DumpEnd> dump_end_;
  std::unique_ptr<Child> child_;
  std::unique_ptr<Qmp> qmp_;  // last: its handlers use the rest
};

}  // namespace rig::vm::qemu
