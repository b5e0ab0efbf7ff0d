// SPDX-License-Identifier: Apache-2.0
// A fixture that runs kernels of a few bytes in real machines.
#pragma once

#include <gmock/gmock.h>

#include "fakes/tiny_kernel.h"
#include "vm/vm.h"

namespace rig::vm {

inline Deadline eventually() {
  return Deadline::after(std::chrono::seconds(20));
}

class RealMachineTest : public testing::Test {
 protected:
  VmConfig config(fakes::TinyEnd end, std::string_view text = "hello from a tiny kernel\r\n") {
    const fs::path kernel = folder_->path() / "kernel";
    EXPECT_TRUE(write_file_atomically(kernel, fakes::tiny_kernel(text, end, arch_)));
    VmConfig config;
    config.arch = arch_;
    config.kernel = kernel;
    config.memory_bytes = 64 << 20;
    config.cpus = 1;
    config.accelerator = "tcg";
    config.folder = folder_->path();
    config.stop = stop_.get_token();
    return config;
  }
  std::unique_ptr<Vm> start(const VmConfig& config) {
    auto vm = vm::start(backend_, config);
    EXPECT_TRUE(vm) << vm.error().message();
    return vm ? std::move(*vm) : nullptr;
  }
  Event wait_for(Vm& vm, EventKind kind) {
    for (;;) {
      auto event = vm.next_event(eventually());
      if (!event || !*event) {
        ADD_FAILURE() << (event ? "deadline" : event.error().message());
        return {};
      }
      if ((*event)->kind == kind) return **event;
    }
  }
  // 4096 bytes of the core written in this format.
  std::string core(Vm& vm, DumpFormat format) {
    const fs::path path = folder_->path() / "vmcore";
    const Status status = vm.dump(path, format, {}, eventually());
    EXPECT_TRUE(status) << status.error().message();
    const auto file = MappedFile::open(path);
    if (!file) return {};
    size_ = file->bytes().size();
    return std::string(as_text(file->bytes()).substr(0, 4096));
  }

  Result<TempDir> folder_ = TempDir::create("real-machine-test");
  std::stop_source stop_;
  std::uint64_t size_ = 0;
  std::string backend_ = "qemu";
  Arch arch_ = Arch::kX86_64;
};

}  // namespace rig::vm
