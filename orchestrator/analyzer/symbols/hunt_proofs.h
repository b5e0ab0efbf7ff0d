// SPDX-License-Identifier: Apache-2.0
// What proves that an address is a certain variable of the kernel: what it holds, and what that
// leads to. All of it may be a coincidence or a lie: each proof is bounded and asks for plenty.
#pragma once

#include "analyzer/symbols/hunt.h"

namespace rig::analyzer {

// `modules`: a closed list of struct module, each of which its own kobject points back to.
bool is_module_list(const Hunt::Context& context, VirtAddr at);
// `slab_caches`: a closed list of struct kmem_cache with names and sizes.
bool is_slab_cache_list(const Hunt::Context& context, VirtAddr at);
// `btf_modules`: a closed list of struct btf_module, each with a struct module and types of its
// own.
bool is_module_types_list(const Hunt::Context& context, VirtAddr at);
// `panic_cpu`: -1 or the number of a CPU.
bool is_panic_cpu(const Hunt::Context& context, VirtAddr at);
// `tainted_mask`: some of the bits that there are.
bool is_tainted_mask(const Hunt::Context& context, VirtAddr at);
// `saved_command_line`: points to a printable text.
bool is_text_pointer(const Hunt::Context& context, VirtAddr at);
// `swap_info`: pointers to struct swap_info_struct, each of which has its place as its type; the
// first empty place ends them.
bool is_swap_table(const Hunt::Context& context, VirtAddr at);
// `tk_core`: a seqcount, and a struct timekeeper whose clock has a name.
bool is_timekeeper_core(const Hunt::Context& context, VirtAddr at);
// `stack_slabs`, since v6.3 `stack_pools`: a pointer to a pool whose first record says of itself
// that it is that, and is a stack of the kernel's code.
bool is_stack_depot(const Hunt::Context& context, VirtAddr at);

}  // namespace rig::analyzer
