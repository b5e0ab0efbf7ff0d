// SPDX-License-Identifier: Apache-2.0
#include "analyzer/allocator_functions.h"

#include <algorithm>
#include <string_view>

namespace rig::analyzer {
namespace {

// mm/slub.c, mm/slab_common.c, mm/util.c, mm/kasan/, lib/stackdepot.c, kernel/stacktrace.c.
constexpr std::string_view kBeginnings[] = {
    "kasan_",       "__kasan_",      "____kasan_",    "kmem_cache_", "__kmem_cache_",
    "kmalloc",      "__kmalloc",     "kzalloc",       "kfree",       "__kfree",
    "kvfree",       "kvmalloc",      "__kvmalloc",    "krealloc",    "__do_krealloc",
    "__do_kmalloc", "kmemdup",       "kstrdup",       "___slab_",    "__slab_",
    "slab_",        "do_slab_",      "___cache_free", "set_track",   "save_stack",
    "stack_trace_", "alloc_debug",   "free_debug",    "free_to_",    "alloc_single_",
    "get_partial",  "allocate_slab", "new_slab",      "__free_slab", "free_object"};

}  // namespace

bool allocates_for_others(const CodeLocation& at) {
  return at.module.empty() &&
         std::any_of(std::begin(kBeginnings), std::end(kBeginnings),
                     [&](std::string_view each) { return at.function.starts_with(each); });
}

}  // namespace rig::analyzer
