// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/object_tracks.h"

#include <algorithm>

#include "analyzer/allocator_functions.h"
#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxTrack = 1024;
constexpr std::uint64_t kMaxPid = 4 << 20;  // PID_MAX_LIMIT
constexpr std::uint64_t kMaxAddresses = 64;

std::uint64_t value_of(const std::optional<Member>& member, ByteView bytes) {
  return member ? extract(*member, bytes).value_or(0) : 0;
}

}  // namespace

ObjectTracks::ObjectTracks(const Kernel& kernel)
    : kernel_(&kernel),
      depot_(kernel),
      size_(kernel.types() ? kernel.types()->size_of("track").value_or(0) : 0),
      address_(kernel.member("track.addr")),
      cpu_(kernel.member("track.cpu")),
      pid_(kernel.member("track.pid")),
      when_(kernel.member("track.when")),
      // Until 5cf909c553e9 (v5.19) the stack itself: `addrs`.
      handle_(kernel.member("track.handle")),
      addresses_(kernel.member("track.addrs")),
      kasan_size_(kernel.types() ? kernel.types()->size_of("kasan_track").value_or(0) : 0),
      kasan_pid_(kernel.member("kasan_track.pid")),
      kasan_stack_(kernel.member("kasan_track.stack")),
      alloc_track_(kernel.member("kasan_alloc_meta.alloc_track")),
      free_track_(kernel.member("kasan_free_meta.free_track")),
      ticks_(KernelTicks::read(kernel)),
      shadow_(KasanShadow::open(kernel)) {}

std::optional<ObjectTrack> ObjectTracks::slub_track(const DebugLayout& layout, VirtAddr object,
                                                    bool freed) const {
  if (!layout.tracks || !address_ || size_ == 0 || size_ > kMaxTrack) return std::nullopt;
  std::vector<std::byte> bytes(size_);
  const VirtAddr at = object + *layout.tracks + (freed ? size_ : 0);
  if (!kernel_->memory().read(at, bytes)) return std::nullopt;
  const VirtAddr caller{value_of(address_, bytes)};
  const auto cpu = value_of(cpu_, bytes), pid = value_of(pid_, bytes);
  const auto when = value_of(when_, bytes);
  // Whoever wrote over the object may have written over the note.
  if (raw(caller) == 0 || cpu >= kMaxCpus || pid > kMaxPid) return std::nullopt;
  if (ticks_.now && when > *ticks_.now) return std::nullopt;

  ObjectTrack track;
  track.source = "slub_debug";
  track.caller = return_address(*kernel_, caller);
  if (cpu_) track.cpu = static_cast<unsigned>(cpu);
  if (pid_) track.pid = pid;
  if (when_) track.seconds_ago = ticks_.seconds_since(when);
  if (handle_) track.stack = depot_.stack(static_cast<std::uint32_t>(value_of(handle_, bytes)));
  if (addresses_) {
    const auto count = std::min(addresses_->elements.value_or(0), kMaxAddresses);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto each = load<std::uint64_t>(bytes, addresses_->offset + i * sizeof(std::uint64_t));
      if (!each || *each == 0 || *each == ~0ull) break;
      track.stack.push_back(return_address(*kernel_, VirtAddr{*each}));
    }
  }
  // A note without a stack is believed when its caller is code.
  if (track.stack.empty() && track.caller->function.empty()) return std::nullopt;
  return track;
}

std::optional<ObjectTrack> ObjectTracks::kasan_track(VirtAddr at) const {
  if (!kasan_pid_ || !kasan_stack_ || kasan_size_ == 0 || kasan_size_ > kMaxTrack) {
    return std::nullopt;
  }
  std::vector<std::byte> bytes(kasan_size_);
  if (!kernel_->memory().read(at, bytes)) return std::nullopt;
  ObjectTrack track;
  track.source = "KASAN";
  track.stack = depot_.stack(static_cast<std::uint32_t>(value_of(kasan_stack_, bytes)));
  const auto pid = value_of(kasan_pid_, bytes);
  if (track.stack.empty() || pid > kMaxPid) return std::nullopt;
  track.pid = pid;
  const auto caller = std::ranges::find_if_not(track.stack, allocates_for_others);
  track.caller = caller != track.stack.end() ? *caller : track.stack.front();
  return track;
}

std::optional<ObjectTrack> ObjectTracks::allocated_by(const DebugLayout& layout,
                                                      VirtAddr object) const {
  if (auto track = slub_track(layout, object, false)) return track;
  if (!layout.kasan_alloc || !alloc_track_) return std::nullopt;
  return kasan_track(object + *layout.kasan_alloc + alloc_track_->offset);
}

// kasan_get_free_track() of mm/kasan/report_generic.c: only the shadow tells that there is one.
std::optional<ObjectTrack> ObjectTracks::freed_by(const DebugLayout& layout,
                                                  VirtAddr object) const {
  if (auto track = slub_track(layout, object, true)) return track;
  if (!layout.kasan_free || !free_track_ || !shadow_) return std::nullopt;
  if (shadow_->byte(object) != kShadowFreedWithTrack) return std::nullopt;
  return kasan_track(object + *layout.kasan_free + free_track_->offset);
}

}  // namespace rig::analyzer
