// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/session.h"

#include <algorithm>

#include "analyzer/core/limits.h"
#include "analyzer/facts/exception_cpu.h"
#include "analyzer/facts/heap.h"
#include "analyzer/facts/report_start.h"
#include "analyzer/facts/tasks.h"

namespace rig::analyzer {
namespace {

// A page of zeros takes 24 bytes of a kdump file: what is more than this many times the file is

}  // namespace

struct Session::State {
  explicit State(Core opened) : core(std::move(opened)), arch(architecture(core.arch())) {}

  Core core;
  const Architecture& arch;
  std::vector<std::string> remarks;
  std::optional<Result<KernelSpace>> space;
  std::optional<Kernel> kernel;
  std::optional<Result<KernelLog>> log;
  std::optional<std::vector<oops::Report>> reports;
  std::optional<std::vector<CpuSnapshot>> cpus;
  std::optional<std::vector<Task>> tasks;
  std::optional<std::vector<StackRange>> stacks;
  std::optional<std::optional<FoundException>> exception;
  std::optional<std::optional<FaultFacts>> fault;
  std::unique_ptr<Whatis> whatis;
  std::optional<SlabFacts> slab;
  std::optional<Debuginfo> debuginfo;

  const Result<KernelSpace>& open_space() {
    if (space) return *space;
    if (!core.vmcoreinfo()) {
      space = fail_hint(
          Blame::kInput,
          "boot the guest with QEMU's -device vmcoreinfo and its qemu_fw_cfg driver loaded",
          "no VMCOREINFO: the kernel's memory cannot be found");
      return *space;
    }
    space = arch.open_kernel(core.memory(), *core.vmcoreinfo(), core.cpus());
    if (*space) std::ranges::copy((*space)->remarks, std::back_inserter(remarks));
    return *space;
  }
};

Session::Session(Core core) : state_(std::make_unique<State>(std::move(core))) {
  state_->remarks = state_->core.remarks();
}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

const Core& Session::core() const {
  return state_->core;
}
const Architecture& Session::arch() const {
  return state_->arch;
}
const std::vector<std::string>& Session::remarks() const {
  return state_->remarks;
}
void Session::remark(std::string text) {
  if (std::ranges::find(state_->remarks, text) != state_->remarks.end()) return;
  state_->remarks.push_back(std::move(text));
}

Status Session::use_debuginfo(const fs::path& path) {
  const auto& info = state_->core.vmcoreinfo();
  RIG_ASSIGN(state_->debuginfo, info ? Debuginfo::open(path, *info) : Debuginfo::open(path, ""));
  for (const std::string& text : state_->debuginfo->remarks()) remark(text);
  return {};
}

bool Session::has_debuginfo() const {
  return state_->debuginfo.has_value();
}

std::vector<SourceLine> Session::lines(VirtAddr address) {
  if (!state_->debuginfo) return {};
  const auto kernel = this->kernel();
  if (!kernel) return state_->debuginfo->lines(address);
  auto found = state_->debuginfo->lines(**kernel, address);
  if (found) return *std::move(found);
  remark(found.error().message());
  return {};
}

Result<const VirtMemory*> Session::memory() {
  const auto& space = state_->open_space();
  if (!space) return tl::unexpected(space.error());
  return space->memory.get();
}

Result<const AddressSpace*> Session::address_space() {
  const auto& space = state_->open_space();
  if (!space) return tl::unexpected(space.error());
  return space->memory.get();
}

unsigned Session::paging_levels() {
  const auto& space = state_->open_space();
  return space ? space->levels : 0;
}

Result<const Kernel*> Session::kernel() {
  RIG_ASSIGN(const VirtMemory* memory, this->memory());
  if (!state_->kernel) {
    state_->kernel.emplace(Kernel::read(*memory, *state_->core.vmcoreinfo(), state_->remarks));
  }
  return &*state_->kernel;
}

Result<const KernelLog*> Session::log() {
  RIG_ASSIGN(const VirtMemory* memory, this->memory());
  if (!state_->log) {
    std::uint64_t there = 0;
    for (const PhysRange& range : state_->core.memory().ranges()) there += range.size;
    there = std::min(there, state_->core.file_bytes() * kMemoryPerFileByte);
    state_->log = read_log(*memory, *state_->core.vmcoreinfo(), there);
  }
  if (!*state_->log) return tl::unexpected(state_->log->error());
  return &**state_->log;
}

const std::vector<oops::Report>& Session::reports() {
  if (!state_->reports) {
    const auto text = log();
    state_->reports =
        text ? oops::parse_reports(kernels_text(**text)) : std::vector<oops::Report>{};
  }
  return *state_->reports;
}

const std::vector<CpuSnapshot>& Session::cpus() {
  if (!state_->cpus) {
    const auto kernel = this->kernel();
    state_->cpus = kernel ? read_cpus(state_->core.cpus(), **kernel, state_->arch, state_->remarks)
                          : std::vector<CpuSnapshot>{};
  }
  return *state_->cpus;
}

const std::vector<Task>& Session::tasks() {
  if (!state_->tasks) {
    const auto kernel = this->kernel();
    state_->tasks =
        kernel ? all_tasks(**kernel, state_->arch, state_->remarks) : std::vector<Task>{};
  }
  return *state_->tasks;
}

const std::optional<FoundException>& Session::exception() {
  if (!state_->exception) {
    state_->exception.emplace();
    const auto kernel = this->kernel();
    const auto log = this->log();
    if (kernel) {
      const std::string_view text = log ? (*log)->text : std::string_view();
      *state_->exception =
          find_exception(cpus(), **kernel, state_->arch, reports(), text, state_->remarks);
    }
  }
  return *state_->exception;
}

const std::optional<FaultFacts>& Session::fault() {
  if (!state_->fault) state_->fault = follow_fault(*this);
  return *state_->fault;
}

const std::vector<StackRange>& Session::stacks() {
  if (!state_->stacks) {
    state_->stacks.emplace();
    for (const CpuSnapshot& cpu : cpus()) {
      state_->stacks->insert(state_->stacks->end(), cpu.stacks.begin(), cpu.stacks.end());
    }
    for (const Task& task : tasks()) {
      if (task.stack.size != 0) state_->stacks->push_back(task.stack);
    }
  }
  return *state_->stacks;
}

Whatis* Session::whatis() {
  if (!state_->whatis) {
    const auto kernel = this->kernel();
    if (!kernel) return nullptr;
    state_->whatis = std::make_unique<Whatis>(**kernel, state_->arch, paging_levels(), stacks(),
                                              static_cast<unsigned>(state_->core.cpus().size()));
  }
  return state_->whatis.get();
}

const SlabFacts& Session::slab() {
  if (!state_->slab) state_->slab = audit_heap(*this);
  return *state_->slab;
}

const CpuSnapshot* Session::panic_cpu() {
  if (cpus().empty()) return nullptr;
  auto found = std::ranges::find_if(cpus(), &CpuSnapshot::panicking);
  if (const auto kernel = this->kernel(); kernel && found == cpus().end()) {
    found = std::ranges::find_if(
        cpus(), [&](const CpuSnapshot& cpu) { return begins_report(**kernel, cpu.state.pc); });
  }
  if (found != cpus().end()) return &*found;
  const CpuSnapshot* inside = exception() ? cpu_inside(*exception(), cpus()) : nullptr;
  return inside != nullptr ? inside : &cpus().front();
}

const CpuSnapshot* Session::cpu_of(VirtAddr task) {
  const auto found = std::ranges::find_if(
      cpus(), [&](const CpuSnapshot& cpu) { return cpu.task && cpu.task->at == task; });
  return found != cpus().end() ? &*found : nullptr;
}

// A return address is behind the call that it tells of.
Backtrace Session::with_lines(Backtrace trace, bool first_is_exact) {
  if (!has_debuginfo()) return trace;
  for (std::size_t i = 0; i < trace.frames.size(); ++i) {
    BacktraceFrame& frame = trace.frames[i];
    const bool exact = !frame.exception.empty() || (i == 0 && first_is_exact);
    frame.source = lines(exact ? frame.at.address : frame.at.address - 1);
  }
  return trace;
}

Backtrace Session::backtrace(const CpuSnapshot& cpu) {
  const auto kernel = this->kernel();
  if (!kernel) return {{}, false, kernel.error().message(), {}};
  return with_lines(unwind_cpu(**kernel, state_->arch, cpu), true);
}

Backtrace Session::backtrace(const Task& task) {
  if (const CpuSnapshot* cpu = cpu_of(task.at)) return backtrace(*cpu);
  const auto kernel = this->kernel();
  if (!kernel) return {{}, false, kernel.error().message(), {}};
  return with_lines(unwind_task(**kernel, state_->arch, task), false);
}

}  // namespace rig::analyzer
