// SPDX-License-Identifier: Apache-2.0
// What the analyzer says about the kernel's slab caches: what they hold, and what in them cannot
// be. Plain data, as findings.h. Absent means "could not be established".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/guest_facts.h"
#include "base/address.h"

namespace rig::analyzer {

// Who allocated or freed an object last, as slub_debug=U or KASAN noted it.
struct ObjectTrack {
  std::string source;  // "slub_debug", "KASAN"
  std::optional<CodeLocation> caller;
  std::vector<CodeLocation> stack;  // innermost first; empty: not kept
  std::optional<unsigned> cpu;
  std::optional<std::uint64_t> pid;
  std::optional<double> seconds_ago;  // before the machine stopped
};

// What cannot be in a healthy heap. Each has one row in the table of slab/corruption_kinds.cc.
enum class CorruptionKind {
  kFreePointerInvalid,     // a free pointer that is no address of the direct map
  kFreePointerForeign,     // leads out of its slab
  kFreePointerMisaligned,  // leads between the objects of its slab
  kFreedTwice,             // an object is on freelists twice
  kFreeAndInUse,           // on a freelist, but its debug bytes say that it is in use
  kPoisonOverwritten,      // bytes of a free object
  kRedZoneOverwritten,     // bytes before or behind an object
  kPaddingOverwritten,     // bytes behind an object's metadata, or behind a slab's last object
  kCountsWrong,            // free and used do not make up the slab
  kSlabLost,               // a slab of a cache, whose page says that it is none, or another's
  kListBroken,             // a list of slabs that does not lead back, or to what is no slab
};
std::string_view to_string(CorruptionKind kind);  // "free-pointer-invalid" ...
std::optional<CorruptionKind> parse_corruption_kind(std::string_view id);
std::vector<std::string> corruption_kinds();  // all ids

struct SlabCorruption {
  CorruptionKind kind{};
  std::string cache;               // "kmalloc-1k"
  VirtAddr slab{};                 // its first byte
  std::optional<VirtAddr> object;  // absent: of the slab as a whole
  std::uint64_t object_size = 0;
  std::int64_t offset = 0;  // within the object: of the first wrong byte, or of the free pointer
  std::vector<std::byte> expected, found;  // bytes, from `offset` on; equally many
  std::optional<VirtAddr> pointer;         // decoded, of free pointers that are wrong
  // Of a free pointer that is whole but for one byte, or two beside each other: the first of them.
  std::optional<unsigned> wrong_byte;
  std::optional<bool> allocated;
  std::string where;    // "freelist of CPU 1", "freelist of its slab"; how it was come upon
  std::string summary;  // one sentence
  std::optional<ObjectTrack> alloc, free;  // of the object, where the kernel kept them
};

struct SlabCacheFacts {
  VirtAddr at{};  // of its struct kmem_cache
  std::string name;
  std::uint64_t object_size = 0;  // of what the user asked for
  std::uint64_t size = 0;         // from one object to the next
  std::uint64_t allocated = 0, total = 0, slabs = 0;
  std::uint64_t pages_per_slab = 0;
  std::vector<std::string>
      debug;  // what slub_debug does to it: "poison", "red-zone", "user", "trace" ...
};

struct SlabFacts {
  std::vector<SlabCacheFacts> caches;
  std::vector<SlabCorruption> corruptions;  // in the order of caches, slabs, addresses
  std::vector<std::string> unwalked;        // what could not be walked or checked, and why
  bool audited = false;                     // false: nothing was looked at (why: `unwalked`)
};

// One reason to think that an object held a struct of that type.
struct TypeEvidence {
  std::uint64_t offset = 0;  // within the object
  std::string member;        // "timer.function"
  std::string what;   // "is lc_late_write [late_completion], a void (*)(struct timer_list *)"
  double weight = 0;  // in bits: how unlikely by chance
};

struct TypeGuess {
  std::string type;    // "struct lc_context"
  std::string module;  // empty: the kernel's own
  std::uint64_t size = 0;
  double score = 0;                    // sum of the weights, less what speaks against it
  std::vector<TypeEvidence> evidence;  // the strongest first
};

// Whose an object was, by what it holds.
struct ProvenanceFacts {
  VirtAddr object{};
  std::string cache;
  std::uint64_t object_size = 0;
  // Within the object: what the question was about, and the member that the first guess has there.
  std::optional<std::uint64_t> offset;
  std::string member;
  std::vector<TypeGuess> guesses;  // the best first; a few
  bool certain = false;            // the first one stands, far enough before the second
  std::string verdict;             // in words: what it was, or why no answer is given
};

}  // namespace rig::analyzer
