// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/kernel_config.h"

#include <bit>

#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMinStack = 4096;

bool plausible(std::uint64_t size) {
  return std::has_single_bit(size) && size >= kMinStack && size <= kMaxStackBytes;
}

}  // namespace

std::uint64_t task_stack_size(const Kernel& kernel, std::uint64_t otherwise) {
  const auto known = kernel.types() ? kernel.types()->size_of("thread_union") : std::nullopt;
  if (known && plausible(*known)) return *known;
  // INIT_TASK_DATA, include/asm-generic/vmlinux.lds.h.
  const auto begin = kernel.symbol("init_stack");
  const auto end = kernel.symbol("__end_init_task");
  if (begin && end && plausible(*end - *begin)) return *end - *begin;
  return otherwise;
}

bool has_generic_kasan(const Kernel& kernel) {
  // mm/kasan/quarantine.c is built for the generic mode only; renamed in v5.12.
  return kernel.symbol("kasan_quarantine_put") || kernel.symbol("quarantine_put");
}

}  // namespace rig::analyzer
