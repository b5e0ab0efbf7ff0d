// SPDX-License-Identifier: Apache-2.0
// One core, opened for questions. Every fact is established when it is first asked for and kept, so
// that cost follows what is asked. Not for use by two threads at once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/arch/architecture.h"
#include "analyzer/core/core.h"
#include "analyzer/facts/backtrace.h"
#include "analyzer/facts/cpus.h"
#include "analyzer/facts/exception.h"
#include "analyzer/facts/fault.h"
#include "analyzer/facts/log.h"
#include "analyzer/facts/whatis.h"
#include "analyzer/heap_facts.h"
#include "analyzer/symbols/debuginfo.h"
#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

class Session {
 public:
  explicit Session(Core core);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  const Core& core() const;
  const Architecture& arch() const;

  // Source lines from here on. Blame::kInput as Debuginfo::open(): nothing there, or another
  // build's.
  Status use_debuginfo(const fs::path& path);
  bool has_debuginfo() const;
  // The innermost inlined function first; empty without debuginfo, or where it knows nothing.
  std::vector<SourceLine> lines(VirtAddr address);

  // What could not be established so far, and why.
  const std::vector<std::string>& remarks() const;
  void remark(std::string text);

  // The kernel's memory. Blame::kInput, saying what is missing, when there is no way to it.
  Result<const VirtMemory*> memory();
  // The same with its page tables.
  Result<const AddressSpace*> address_space();
  unsigned paging_levels();  // 0: not known
  // Symbols, types and modules, as far as the core has them. An error only as memory().
  Result<const Kernel*> kernel();

  Result<const KernelLog*> log();
  const std::vector<oops::Report>& reports();  // of the log; empty without one
  const std::vector<CpuSnapshot>& cpus();      // empty without a kernel
  const std::vector<Task>& tasks();            // all; empty without a kernel
  const std::optional<FoundException>& exception();
  const std::optional<FaultFacts>& fault();  // nothing without an exception
  // The stacks of all CPUs, then of all tasks.
  const std::vector<StackRange>& stacks();
  Whatis* whatis();         // null without a kernel
  const SlabFacts& slab();  // every cache, and what in them cannot be

  // The CPU that panicked, else one that begins a report or gives it, else the first. Null: no CPU.
  const CpuSnapshot* panic_cpu();
  // The CPU that `task` runs on; null: it sleeps.
  const CpuSnapshot* cpu_of(VirtAddr task);
  Backtrace backtrace(const CpuSnapshot& cpu);
  Backtrace backtrace(const Task& task);

 private:
  struct State;
  Backtrace with_lines(Backtrace trace, bool first_is_exact);

  std::unique_ptr<State> state_;
};

}  // namespace rig::analyzer
