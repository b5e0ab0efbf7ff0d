// SPDX-License-Identifier: Apache-2.0
// A Vm that follows a script: what happens by itself, what happens when something is asked of it,
// and what fails. Waits are real (they end at their deadline), so give deadlines that are short.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "vm/vm.h"

namespace rig::fakes {

class FakeVm : public vm::Vm {
 public:
  // --- the script ---
  std::optional<vm::GuestInfo> guest = vm::GuestInfo{};  // nothing: the agent never comes up
  // The next call of this name fails with it: fails["dump"] = Error{Blame::kRig, "disk full", ""}.
  std::map<std::string, Error, std::less<>> fails;
  // Events that a call of this name brings about: reactions["load_module"] = {console("...")}.
  std::map<std::string, std::vector<vm::Event>, std::less<>> reactions;
  std::map<std::string, std::string, std::less<>> guest_files;  // put_file() and get_file()
  std::vector<vm::GuestFunction> functions;                     // of the guest's kernel
  std::string core = "KDUMP   a core";  // what dump() writes; minimal_core() of
                                        // synthetic_core.h is one that can be analyzed
  bool has_nmi = false;
  std::optional<std::chrono::seconds> watchdog;  // what its driver makes of any time
  vm::VmDescription description = {"fake", "1", "none", "it is a fake", "fake-vm"};

  // --- what was asked of it, in order: "load_module /m.ko late_write=1" ---
  std::vector<std::string> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  std::size_t count(std::string_view name) const {
    std::size_t found = 0;
    for (const std::string& call : calls()) found += call.substr(0, call.find(' ')) == name;
    return found;
  }

  // Queues an event; may be called from another thread while next_event() waits.
  void push(vm::Event event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    arrived_.notify_all();
  }

  static vm::Event event(vm::EventKind kind, int code = 0) {
    vm::Event made;
    made.kind = kind;
    made.code = code;
    return made;
  }
  static vm::Event console(std::string line) {
    vm::Event made;
    made.text = std::move(line);
    return made;
  }

  // --- vm::Vm ---
  Result<std::optional<vm::Event>> next_event(Deadline deadline) override {
    if (auto failed = take_failure("next_event")) return tl::unexpected(*failed);
    std::unique_lock lock(mutex_);
    const auto until = std::min(deadline.at(), Clock::now() + std::chrono::hours(1));
    if (!arrived_.wait_until(lock, until, [&] { return !events_.empty(); })) return std::nullopt;
    vm::Event next = std::move(events_.front());
    events_.pop_front();
    if (next.kind == vm::EventKind::kCaptureHello && guest) guest->capture = true;
    return next;
  }
  Result<std::optional<vm::GuestInfo>> wait_for_agent(Deadline) override {
    if (auto failed = called("wait_for_agent"); !failed) return tl::unexpected(failed.error());
    return guest;
  }
  Status write_sysctl(std::string_view name, std::string_view value, Deadline) override {
    return called("write_sysctl", {name, value});
  }
  Status put_file(const fs::path& local, std::string_view guest_path, unsigned, Deadline) override {
    RIG_TRY(called("put_file", {local.native(), guest_path}));
    auto content = read_file(local);
    guest_files[std::string(guest_path)] = content ? *content : std::string();
    return {};
  }
  Result<std::string> get_file(std::string_view guest_path, Deadline) override {
    RIG_TRY(called("get_file", {guest_path}));
    const auto file = guest_files.find(guest_path);
    if (file != guest_files.end()) return file->second;
    return fail(Blame::kKernel, "cannot open {}: No such file or directory", guest_path);
  }
  Status load_module(std::string_view guest_path, std::string_view params, Deadline) override {
    return called("load_module", {guest_path, params});
  }
  Result<std::vector<vm::GuestFunction>> find_functions(std::span<const std::string> names,
                                                        Deadline) override {
    RIG_TRY(called("find_functions", {names.begin(), names.end()}));
    std::vector<vm::GuestFunction> found;
    for (const vm::GuestFunction& each : functions) {
      if (std::find(names.begin(), names.end(), each.name) != names.end()) found.push_back(each);
    }
    return found;
  }
  Status start_program(const std::vector<std::string>& argv, Deadline) override {
    return called("start_program", {argv.begin(), argv.end()});
  }
  Result<std::chrono::seconds> arm_watchdog(std::chrono::seconds time, Deadline) override {
    RIG_TRY(called("arm_watchdog", {fmt::format("{}", time.count())}));
    return watchdog.value_or(time);
  }
  Status power_off(Deadline) override { return called("power_off"); }
  Status load_crash_kernel(const vm::CrashKernel& kernel, Deadline) override {
    return called("load_crash_kernel", {kernel.kernel, kernel.initramfs, kernel.cmdline});
  }
  Status load_crash_segments(const vm::CrashSegments& image, Deadline) override {
    return called("load_crash_segments", {fmt::format("{} of them", image.segments.size())});
  }
  Status read_ranges(std::string_view guest_path, std::span<const FileRange> ranges,
                     const ExtentSink& sink, Deadline) override {
    RIG_TRY(called("read_ranges", {guest_path}));
    const auto file = guest_files.find(guest_path);
    if (file == guest_files.end()) return fail(Blame::kKernel, "cannot open {}", guest_path);
    for (const FileRange& range : ranges) {
      RIG_TRY(sink(range.offset,
                   as_bytes(std::string_view(file->second).substr(range.offset, range.size))));
    }
    return {};
  }
  Status stop(Deadline) override { return called("stop"); }
  Status resume(Deadline) override { return called("resume"); }
  Result<bool> inject_nmi(Deadline) override {
    RIG_TRY(called("inject_nmi"));
    return has_nmi;
  }
  Status set_breakpoints(std::span<const VirtAddr> addresses, Deadline) override {
    std::string text = fmt::format("{:#x}", fmt::join(addresses, " "));
    return called("set_breakpoints", {text});
  }
  Status remove_breakpoint(VirtAddr address, Deadline) override {
    return called("remove_breakpoint", {fmt::format("{}", address)});
  }
  Status dump(const fs::path& path, vm::DumpFormat, const ProgressSink& progress,
              Deadline) override {
    RIG_TRY(called("dump", {path.native()}));
    tell(progress, {"dump", 1.0, {}});
    return write_file_atomically(path, core);
  }
  vm::VmDescription describe() const override { return description; }

 private:
  std::optional<Error> take_failure(std::string_view name) {
    const auto failure = fails.find(name);
    if (failure == fails.end()) return std::nullopt;
    Error error = failure->second;
    fails.erase(failure);
    return error;
  }

  Status called(std::string_view name, const std::vector<std::string_view>& arguments = {}) {
    std::string call(name);
    for (const std::string_view argument : arguments) {
      if (!argument.empty()) call.append(" ").append(argument);
    }
    {
      const std::lock_guard lock(mutex_);
      calls_.push_back(std::move(call));
    }
    if (const auto reaction = reactions.find(name); reaction != reactions.end()) {
      for (vm::Event made : reaction->second) {
        made.when = Clock::now();
        push(std::move(made));
      }
    }
    if (auto failed = take_failure(name)) return tl::unexpected(*failed);
    return {};
  }

  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<vm::Event> events_;
  std::vector<std::string> calls_;
};

}  // namespace rig::fakes
