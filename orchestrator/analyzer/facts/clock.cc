// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/clock.h"

#include <cmath>

#include "base/bytes.h"

namespace rig::analyzer {
namespace {

constexpr double kNanoseconds = 1e9;
constexpr std::uint64_t kMaxClockShift = 32;
constexpr double kCentury = 100.0 * 365 * 24 * 3600;
constexpr std::uint64_t kUint32 = 1ull << 32;

// struct tk_data has a name since v6.13; before it was unnamed: a seqcount, then the timekeeper.
std::optional<VirtAddr> timekeeper(const FieldReader& fields) {
  const auto core = fields.kernel().symbol("tk_core");
  if (!core || !fields.kernel().types()) return std::nullopt;
  if (const auto place = fields.place(*core, "tk_data.timekeeper")) return place;
  constexpr std::uint64_t kAlignment = 8;
  for (const std::string_view lock : {"seqcount_raw_spinlock_t", "seqcount_t"}) {
    const auto size = fields.kernel().types()->size_of(lock);
    if (size) return *core + align_up(*size, kAlignment);
  }
  return std::nullopt;
}

}  // namespace

std::optional<GuestClock> read_timekeeper(const FieldReader& fields) {
  const auto at = timekeeper(fields);
  if (!at) return std::nullopt;
  const auto wall = fields.value(*at, "timekeeper.xtime_sec");
  const auto nanoseconds = fields.value(*at, "timekeeper.tkr_mono.xtime_nsec");
  const auto shift = fields.value(*at, "timekeeper.tkr_mono.shift");
  // What to add to the wall's time for the time since the boot without sleep, and then for sleep.
  const auto to_mono = fields.number(*at, "timekeeper.wall_to_monotonic.tv_sec");
  const auto to_mono_nsec = fields.number(*at, "timekeeper.wall_to_monotonic.tv_nsec");
  const auto slept = fields.number(*at, "timekeeper.offs_boot");
  if (!wall || !nanoseconds || !shift || *shift > kMaxClockShift || !to_mono || !to_mono_nsec) {
    return std::nullopt;
  }
  GuestClock clock;
  clock.wall = *wall;
  clock.since_boot = static_cast<double>(static_cast<std::int64_t>(*wall)) +
                     static_cast<double>(*to_mono) +
                     (static_cast<double>(*nanoseconds >> *shift) +
                      static_cast<double>(*to_mono_nsec) + static_cast<double>(slept.value_or(0))) /
                         kNanoseconds;
  if (!(clock.since_boot >= 0 && clock.since_boot < kCentury)) return std::nullopt;
  return clock;
}

std::optional<double> uptime_by_jiffies(const Kernel& kernel) {
  auto ticks = kernel.variable("jiffies_64");
  if (!ticks) ticks = kernel.variable("jiffies");
  // TICK_NSEC while the machine ran: kernel/time/ntp.c.
  const auto tick = kernel.variable("tick_nsec");
  constexpr std::uint64_t kShortest = 100'000, kLongest = 100'000'000;
  if (!ticks || !tick || *tick < kShortest || *tick > kLongest) return std::nullopt;
  const auto per_second = std::lround(kNanoseconds / static_cast<double>(*tick));
  // INITIAL_JIFFIES: they start 300 s before 32 bits overflow (include/linux/jiffies.h).
  constexpr std::uint64_t kHeadStart = 300;
  const auto start = kUint32 - kHeadStart * static_cast<std::uint64_t>(per_second);
  const double uptime = static_cast<double>(*ticks - start) / static_cast<double>(per_second);
  if (*ticks < start || !(uptime < kCentury)) return std::nullopt;
  return uptime;
}

}  // namespace rig::analyzer
