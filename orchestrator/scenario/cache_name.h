// SPDX-License-Identifier: Apache-2.0
// Names of slab caches. kmalloc caches are "kmalloc-1024" up to v4.19 and "kmalloc-1k" in
// later ones ("mm, slab: shorten kmalloc cache names for large sizes"); scenarios may use either.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rig::scenario {

// "kmalloc-1024" -> "kmalloc-1k"; a name that is already so, or of another cache, is unchanged.
std::string canonical_cache_name(std::string_view cache);

// The size of the objects of a kmalloc cache (also of its variants: kmalloc-rcl-, kmalloc-cg-,
// dma-kmalloc-); nothing for any other cache.
std::optional<std::uint64_t> kmalloc_object_size(std::string_view cache);

}  // namespace rig::scenario
