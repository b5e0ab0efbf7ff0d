// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/kernel_ticks.h"

#include <cmath>

namespace rig::analyzer {
namespace {

constexpr double kNanoseconds = 1e9;
constexpr std::uint64_t kShortest = 100'000, kLongest = 100'000'000;  // ns
constexpr std::uint64_t kMaxShift = 32;
constexpr std::uint64_t kTimekeeperInCore = 8;  // a seqcount_raw_spinlock_t before it

// TICK_NSEC as NTP set it, or what the timekeeper adds in each tick: its clock's nanoseconds,
// shifted (kernel/time/timekeeping.c, tk_setup_internals()).
std::optional<std::uint64_t> tick_nanoseconds(const Kernel& kernel) {
  if (const auto tick = kernel.variable("tick_nsec")) return tick;
  const auto core = kernel.symbol("tk_core");
  const auto named = kernel.member("tk_data.timekeeper");
  if (!core) return std::nullopt;
  const VirtAddr keeper = *core + (named ? named->offset : kTimekeeperInCore);
  const auto interval = kernel.field(keeper, "timekeeper.xtime_interval");
  const auto shift = kernel.field(keeper, "timekeeper.tkr_mono.shift");
  if (!interval || !shift || *shift > kMaxShift) return std::nullopt;
  return *interval >> *shift;
}

}  // namespace

KernelTicks KernelTicks::read(const Kernel& kernel) {
  KernelTicks ticks;
  ticks.now = kernel.variable("jiffies_64");
  if (!ticks.now) ticks.now = kernel.variable("jiffies");
  const auto tick = tick_nanoseconds(kernel);
  if (tick && *tick >= kShortest && *tick <= kLongest) {
    ticks.per_second =
        static_cast<unsigned>(std::lround(kNanoseconds / static_cast<double>(*tick)));
  }
  return ticks;
}

std::optional<double> KernelTicks::seconds_since(std::uint64_t when) const {
  if (!now || per_second == 0 || when > *now) return std::nullopt;
  return static_cast<double>(*now - when) / per_second;
}

}  // namespace rig::analyzer
