// SPDX-License-Identifier: Apache-2.0
// Who had an object: the notes of slub_debug=U (struct track of mm/slub.c) and of KASAN
// (struct kasan_track of mm/kasan/kasan.h).
#pragma once

#include <optional>

#include "analyzer/heap_facts.h"
#include "analyzer/slab/debug_layout.h"
#include "analyzer/slab/kasan_shadow.h"
#include "analyzer/slab/kernel_ticks.h"
#include "analyzer/slab/stack_depot.h"
#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

class ObjectTracks {
 public:
  explicit ObjectTracks(const Kernel& kernel);

  // Nothing: no note is kept, it is empty, or it holds what no note can.
  std::optional<ObjectTrack> allocated_by(const DebugLayout& layout, VirtAddr object) const;
  std::optional<ObjectTrack> freed_by(const DebugLayout& layout, VirtAddr object) const;

  // Null where there is none.
  const KasanShadow* shadow() const { return shadow_ ? &*shadow_ : nullptr; }

 private:
  std::optional<ObjectTrack> slub_track(const DebugLayout& layout, VirtAddr object,
                                        bool freed) const;
  std::optional<ObjectTrack> kasan_track(VirtAddr at) const;

  const Kernel* kernel_;
  StackDepot depot_;
  std::uint64_t size_ = 0;  // of struct track
  std::optional<Member> address_, cpu_, pid_, when_, handle_, addresses_;
  std::uint64_t kasan_size_ = 0;  // of struct kasan_track
  std::optional<Member> kasan_pid_, kasan_stack_, alloc_track_, free_track_;
  KernelTicks ticks_;
  std::optional<KasanShadow> shadow_;
};

}  // namespace rig::analyzer
