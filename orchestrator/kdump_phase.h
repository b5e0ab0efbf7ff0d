// SPDX-License-Identifier: Apache-2.0
// kdump in the guest (`capture: kdump`): what is prepared for it, and from a crash to the core that
// the capture kernel's agent gives out.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/findings.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "image/boot_image.h"
#include "payload.h"
#include "scenario/plan.h"
#include "vm/vm.h"

namespace rig {

// What the capture kernel shares with every guest.
struct CaptureKernelParts {
  fs::path agent;
  std::string_view console;  // "ttyS0"
  std::string_view panic;    // "panic=-1"
};

// image: the capture kernel (the guest's own, as its package has it) and its initramfs go into
// `initramfs`.
Result<KdumpPlan> plan_kdump(const scenario::Cell& cell, const image::Kernel& kernel,
                             const CaptureKernelParts& parts, image::InitramfsSpec& initramfs);

// "crashkernel=128M ", for the guest's command line; empty where the scenario has its own.
std::string crash_reservation(const scenario::Cell& cell);

// vm: into a guest that has booted.
Status load_capture_kernel(vm::Vm& machine, const KdumpPlan& plan);

// Where the machine's core is the same kernel's at the same moment (`capture: both`): every way
// into the capture kernel leads through it, after the last word of the panic. When the capture
// kernel speaks, the CPUs' registers are its own.
inline constexpr std::string_view kBeforeCapture = "__crash_kexec";

// What the findings of one have that the other's have not, a line each: "only the machine's: ...".
std::vector<std::string> differences(const analyzer::Findings& machines,
                                     const analyzer::Findings& kdumps);

// What became of a guest whose kernel has reported something.
enum class CaptureKernel {
  kUp,      // its agent answers
  kNotRun,  // the kernel lives on: it reported, and did not panic
  kLost,    // it began, or should have, and did not come up
};
struct AwaitedCapture {
  CaptureKernel state = CaptureKernel::kLost;
  std::string why = {};  // of kLost
};

// `limit`: how long the console may be silent. Every event is handed to `take`.
Result<AwaitedCapture> await_capture_kernel(vm::Vm& machine, Clock::duration limit,
                                            const std::function<Status(const vm::Event&)>& take);

// crash: <folder>/vmcore, from the capture kernel.
Result<fs::path> save_kdump(vm::Vm& machine, const fs::path& folder, unsigned level,
                            const ProgressSink& progress, Deadline deadline);

}  // namespace rig
