// SPDX-License-Identifier: Apache-2.0
// The exception that the kernel did not survive: found as the frame that the entry code saved on
// some stack of the CPU that panicked, and either equal to what the kernel's log says about it or
// on the way back from panic(), which the unwinder takes.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "analyzer/facts/cpus.h"
#include "oops/report.h"

namespace rig::analyzer {

struct FoundException {
  ExceptionFacts facts;
  VirtAddr sp{};     // where the stack was at the moment of the exception
  StackRange stack;  // the stack that `sp` lies on; size 0 when it is none that we know
};

std::optional<FoundException> find_exception(std::span<const CpuSnapshot> cpus,
                                             const Kernel& kernel, const Architecture& arch,
                                             std::span<const oops::Report> reports,
                                             std::string_view log,
                                             std::vector<std::string>& remarks);

// "#PF: error_code(0x0002)" or "Oops: 0002 [#1]" in lines [first, last] of the log.
std::optional<std::uint64_t> error_code_of(std::string_view log, std::size_t first,
                                           std::size_t last);

}  // namespace rig::analyzer
