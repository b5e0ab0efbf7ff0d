// SPDX-License-Identifier: Apache-2.0
#include "oops/report_guilty.h"

#include <algorithm>
#include <array>
#include <span>

#include "oops/report_title.h"

namespace rig::oops {
namespace {

// A way through the lines of a report: each stop goes on from where the last one ended.
enum class Stop {
  kNamed,        // the function of the first line
  kPc,           // to the next program counter, and take it
  kLockSite,     // to the next place where a lock was taken, and take it
  kAnyLockSite,  // the same, even where a helper took it
  kWorked,       // to the workqueue's last function, and take it
  kInterrupt,    // past the next interrupt's entry
  kTrace,        // past the next heading of that kind, and so on
  kAllocated,
  kFreed,
  kBacktrace,
  kOrigin,
  kPageOwner,
  kBecame,
  kFrames,  // take all frames up to the next heading
};

struct Way {
  Look look;
  std::array<Stop, 3> stops;
  std::size_t count;
};

// A second row of a Look is tried when the first finds nobody.
constexpr Way kWays[] = {
    {Look::kNamed, {Stop::kNamed, Stop::kTrace, Stop::kFrames}, 3},
    {Look::kBelow, {Stop::kFrames}, 1},
    {Look::kFault, {Stop::kPc, Stop::kTrace, Stop::kFrames}, 3},
    {Look::kProgramCounter, {Stop::kPc}, 1},
    {Look::kWarning, {Stop::kPc, Stop::kFrames}, 2},
    {Look::kWarning, {Stop::kTrace, Stop::kFrames}, 2},
    {Look::kTrace, {Stop::kTrace, Stop::kFrames}, 2},
    {Look::kInterrupted, {Stop::kInterrupt, Stop::kPc, Stop::kFrames}, 3},
    {Look::kInterrupted, {Stop::kInterrupt, Stop::kFrames}, 2},
    {Look::kTakenLock, {Stop::kAnyLockSite}, 1},
    {Look::kTakenLocks, {Stop::kLockSite, Stop::kLockSite, Stop::kFrames}, 3},
    {Look::kReleasedLock, {Stop::kFrames, Stop::kTrace, Stop::kFrames}, 3},
    {Look::kTakenThenTrace, {Stop::kTrace, Stop::kFrames}, 2},
    {Look::kBecame, {Stop::kBecame, Stop::kFrames}, 2},
    {Look::kAllocatedPage, {Stop::kPageOwner, Stop::kFrames}, 2},
    {Look::kBacktrace, {Stop::kBacktrace, Stop::kFrames}, 2},
    {Look::kLastWorked, {Stop::kWorked}, 1},
    {Look::kFreeTrack, {Stop::kFreed, Stop::kFrames}, 2},
    {Look::kAllocTrack, {Stop::kAllocated, Stop::kFrames}, 2},
};

// Which marks end the way to a stop, and whether their frame is taken.
struct Target {
  Stop stop;
  Mark mark;
  bool take;
};
constexpr Target kTargets[] = {
    {Stop::kPc, Mark::kPc, true},
    {Stop::kLockSite, Mark::kLockSite, true},
    {Stop::kAnyLockSite, Mark::kLockSite, true},
    {Stop::kWorked, Mark::kLastWorked, true},
    {Stop::kTrace, Mark::kTrace, false},
    {Stop::kAllocated, Mark::kAllocated, false},
    {Stop::kFreed, Mark::kFreed, false},
    {Stop::kBacktrace, Mark::kBacktrace, false},
    {Stop::kOrigin, Mark::kOrigin, false},
    {Stop::kPageOwner, Mark::kPageOwner, false},
    {Stop::kBecame, Mark::kBecame, false},
};

struct Found {
  std::vector<const Frame*> frames;
  bool intact = true;
};

class Search {
 public:
  // Looks for no more functions than the choice needs.
  Search(const Trail& trail, const SkipList* skip, Choice choice)
      : trail_(trail), skip_(skip), enough_(choice == Choice::kInnermost ? 1 : trail.size() + 1) {}

  Found along(std::span<const Stop> stops, const std::optional<Frame>& named) {
    Found found;
    std::size_t at = 0;
    for (const Stop stop : stops) {
      if (stop == Stop::kNamed) {
        if (named) take(*named, found);
      } else if (stop == Stop::kFrames) {
        take_frames(at, found);
      } else {
        go_to(stop, at, found);
      }
    }
    return found;
  }

 private:
  void take(const Frame& frame, Found& found) const {
    if (found.frames.size() >= enough_ || frame.function.empty() || !frame.reliable) return;
    if (common_helpers().contains(frame.function)) return;
    if (skip_ != nullptr && skip_->contains(frame.function)) return;
    found.frames.push_back(&frame);
  }

  void take_frames(std::size_t& at, Found& found) const {
    for (; at < trail_.size() && !is_heading(trail_[at].mark); ++at) {
      if (trail_[at].mark == Mark::kInjected) {
        found.intact = false;
        return;
      }
      if (trail_[at].mark == Mark::kFrame) take(trail_[at].frame, found);
    }
  }

  void go_to(Stop stop, std::size_t& at, Found& found) const {
    for (; at < trail_.size(); ++at) {
      const Step& step = trail_[at];
      if (step.mark == Mark::kInjected) {
        found.intact = false;
        ++at;
        return;
      }
      if (stop == Stop::kInterrupt) {
        if (step.mark != Mark::kFrame || !step.frame.reliable) continue;
        if (!interrupt_entries().contains(step.frame.function)) continue;
        ++at;
        return;
      }
      const auto* target =
          std::ranges::find_if(kTargets, [&](const Target& t) { return t.stop == stop; });
      if (step.mark != target->mark) continue;
      if (stop == Stop::kAnyLockSite) {
        found.frames.push_back(&step.frame);
      } else if (target->take) {
        take(step.frame, found);
      }
      ++at;
      return;
    }
  }

  const Trail& trail_;
  const SkipList* skip_;
  std::size_t enough_;
};

// Waits of one sort are one group, wherever the tasks came from.
struct KnownWait {
  std::string_view part;
  std::string_view title;  // "": the function's own name
};
constexpr KnownWait kKnownWaits[] = {{"rtnl_lock", ""},
                                     {"synchronize_rcu", "synchronize_rcu"},
                                     {"synchronize_srcu", "synchronize_rcu"},
                                     {"synchronize_net", "synchronize_rcu"},
                                     {"synchronize_sched", "synchronize_rcu"}};

std::optional<Guilty> choose_waiter(const Found& found) {
  for (const Frame* frame : found.frames) {
    for (const KnownWait& known : kKnownWaits) {
      if (frame->function.find(known.part) == std::string::npos) continue;
      std::string title =
          known.title.empty() ? title_name(frame->function) : std::string(known.title);
      return Guilty{*frame, std::move(title), found.intact};
    }
  }
  for (const Frame* frame : found.frames) {
    std::string title = title_name(frame->function);
    if (!waiting_helpers().contains(title)) return Guilty{*frame, std::move(title), found.intact};
  }
  return std::nullopt;
}

// The innermost frame that a dispatcher called: for a loop in a driver its ioctl function.
std::optional<Guilty> choose_representative(const Found& found) {
  const Frame* inner = found.frames.empty() ? nullptr : found.frames.front();
  for (const Frame* frame : found.frames) {
    if (dispatchers().contains(title_name(frame->function))) {
      // A CPU that waits for the others is the stall of whoever asked: one group for all of them.
      if (frame->function.find("smp_call_function") != std::string::npos) {
        return Guilty{*frame, "smp_call_function", found.intact};
      }
      return Guilty{*inner, title_name(inner->function), found.intact};
    }
    inner = frame;
  }
  return std::nullopt;
}

std::optional<Guilty> choose(Choice choice, const Found& found) {
  if (choice == Choice::kWaiter) return choose_waiter(found);
  if (choice == Choice::kRepresentative) return choose_representative(found);
  if (found.frames.empty()) return std::nullopt;
  const Frame& first = *found.frames.front();
  return Guilty{first, title_name(first.function), found.intact};
}

}  // namespace

std::optional<Guilty> find_guilty(const Start& start, const Trail& trail,
                                  const std::optional<Frame>& named) {
  Search search(trail, start.skip(), start.format->choice);
  std::optional<Guilty> guilty;
  for (const Way& way : kWays) {
    if (way.look != start.look()) continue;
    const Found found = search.along(std::span(way.stops).first(way.count), named);
    guilty = choose(start.format->choice, found);
    if (guilty && guilty->intact) break;
  }
  return guilty;
}

std::optional<Guilty> find_origin(const Start& start, const Trail& trail) {
  constexpr std::array kWay = {Stop::kOrigin, Stop::kFrames};
  Search search(trail, start.skip(), Choice::kInnermost);
  return choose(Choice::kInnermost, search.along(kWay, std::nullopt));
}

std::optional<Guilty> best_guess(const Start& start, const Trail& trail,
                                 const std::optional<Frame>& named) {
  constexpr std::array kFault = {Stop::kPc};
  constexpr std::array kTrace = {Stop::kNamed, Stop::kTrace, Stop::kFrames};
  constexpr std::array kStack = {Stop::kPc, Stop::kFrames, Stop::kTrace, Stop::kFrames};
  Search search(trail, start.skip(), start.format->choice);
  auto guilty = choose(start.format->choice, search.along(kStack, named));
  if (!guilty) guilty = choose(Choice::kInnermost, search.along(kFault, named));
  return guilty ? guilty : choose(Choice::kInnermost, search.along(kTrace, named));
}

bool lacks_stack(const Start& start, const Trail& trail, std::size_t lines) {
  if (start.format->stackless) return false;
  constexpr std::size_t kSoon = 15;  // lines from a heading to its first frame
  constexpr std::array kHeadings = {Mark::kTrace,     Mark::kAllocated, Mark::kFreed,
                                    Mark::kBacktrace, Mark::kStored,    Mark::kRegisters};
  bool any = false;
  for (const Mark heading : kHeadings) {
    const auto first =
        std::ranges::find_if(trail, [&](const Step& step) { return step.mark == heading; });
    if (first == trail.end()) continue;
    if (first->line + 2 > lines && heading != Mark::kRegisters) return true;
    // SLUB's headings hold the first frame themselves.
    const auto next = std::find_if(first + 1, trail.end(), [](const Step& step) {
      return is_heading(step.mark) || step.mark == Mark::kNoStack ||
             (step.mark == Mark::kFrame && step.frame.reliable);
    });
    const bool optional = heading == Mark::kRegisters;
    if (next == trail.end() || is_heading(next->mark) || next->line > first->line + kSoon) {
      if (optional) continue;
      return true;
    }
    any = true;
  }
  return !any;
}

}  // namespace rig::oops
