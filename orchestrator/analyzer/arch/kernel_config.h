// SPDX-License-Identifier: Apache-2.0
// What a kernel's configuration changed that its stacks and areas depend on, probed.
#pragma once

#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

// THREAD_SIZE in bytes: KASAN doubles it, arm64's large pages raise it. From the types, or from the
// first task's stack in the image; `otherwise` where neither tells.
std::uint64_t task_stack_size(const Kernel& kernel, std::uint64_t otherwise);

// CONFIG_KASAN_GENERIC: a byte of shadow memory for every eight bytes of the kernel's half.
bool has_generic_kasan(const Kernel& kernel);

}  // namespace rig::analyzer
