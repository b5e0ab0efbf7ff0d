// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/fault_trace.h"

#include <algorithm>
#include <bit>

#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {

using Kind = Operation::Kind;
using End = Trail::End;

constexpr std::size_t kMaxTrails = 24;
constexpr unsigned kMaxSteps = 14;
constexpr unsigned kMaxListed = 20'000;
// More than any struct, less than any address that is mapped.
constexpr std::uint64_t kMaxDistance = 1 << 20;
// Memory holds such values everywhere: to find one proves little.
constexpr std::uint64_t kCommon = 0x10;

constexpr std::uint64_t kAllBits = ~std::uint64_t{0};

std::uint64_t lower(unsigned bytes) {
  return bytes >= 8 ? kAllBits : (std::uint64_t{1} << bytes * 8) - 1;
}

bool is_common(const Trail& trail) {
  const std::uint64_t value = trail.value & trail.mask;
  return std::popcount(trail.mask) < 16 || value < kCommon || value == trail.mask;
}

}  // namespace

bool FaultTrace::is_mapped(std::uint64_t address) const {
  return address >> 63 != 0 && machine_.kernel.memory().translate(VirtAddr{address});
}

bool FaultTrace::on_stack(VirtAddr address) const {
  return std::ranges::any_of(stacks_,
                             [&](const StackRange& each) { return each.contains(address); });
}

Register FaultTrace::suspect(const AddressForm& form, std::optional<std::uint64_t> base,
                             std::optional<std::uint64_t> index) const {
  if (form.index == kNoRegister) return form.base;
  if (form.base == kNoRegister) return form.index;
  if (!base || !index) return kNoRegister;
  const bool base_there = is_mapped(*base), index_there = is_mapped(*index);
  if (base_there != index_there) return base_there ? form.index : form.base;
  return *base < kMaxDistance && *index >= kMaxDistance ? form.index : form.base;
}

// Documentation/dev-tools/kasan.rst, mm/kasan/kasan.h: one byte of shadow for 8 of memory. The
// offset is such that only the shadow of the kernel's half is there: 0xdffffc0000000000 on x86_64,
// 0xdfff800000000000 on arm64 with 48 bits.
std::optional<FaultTrace::Checked> FaultTrace::kasan_check(Activation& in, std::uint32_t at,
                                                           const Known& known) const {
  constexpr std::uint64_t kShadowShift = 3, kOffsetTop = 0xdfff;
  const AddressForm& form = in.function()[at].memory;
  const auto base = known.get(form.base), index = known.get(form.index);
  if (!base || !index || form.scale != 1) return std::nullopt;
  const bool offset_first = *base >> 48 == kOffsetTop;
  if (!offset_first && *index >> 48 != kOffsetTop) return std::nullopt;
  const auto only = [&](const Definition& from, Register reg) -> std::optional<Definition> {
    const Reaching found = in.reaching(from.at, from.before, Location::of(reg));
    if (!found.complete || found.all.size() != 1) return std::nullopt;
    return found.all.front();
  };
  auto by = only({at, known, known}, offset_first ? form.index : form.base);
  if (!by || by->at == Definition::kEntry) return std::nullopt;
  const Operation& shift = in.function()[by->at];
  if (shift.kind != Kind::kShiftRight || shift.value != kShadowShift) return std::nullopt;
  const auto address = in.evaluate(by->at, by->before, shift.from);
  if (!address) return std::nullopt;
  // Back over the member's offset to the pointer.
  Checked checked{*by, shift.from, *address, *address};
  for (unsigned i = 0; i < 4; ++i) {
    const auto set_by = only(checked.at, checked.reg);
    if (!set_by || set_by->at == Definition::kEntry) break;
    const Operation& each = in.function()[set_by->at];
    const bool sum = each.kind == Kind::kSum && each.memory.index == kNoRegister &&
                     each.memory.base != kNoRegister;
    if (!sum && (each.kind != Kind::kMove || each.bytes != 8)) break;
    checked.reg = sum ? each.memory.base : each.from;
    if (sum) checked.value -= static_cast<std::uint64_t>(each.memory.displacement);
    checked.at = *set_by;
  }
  return checked;
}

CodeLocation FaultTrace::location(VirtAddr at) const {
  return machine_.kernel.code(at).value_or(CodeLocation{at, {}, 0, {}});
}

std::string FaultTrace::instruction(VirtAddr at, std::uint64_t size) {
  const auto bytes = machine_.kernel.memory().read_up_to(at, size);
  if (bytes.empty()) return {};
  std::string text = text_.next(bytes, at).text;
  // Columns are for listings.
  const auto space = text.find(' ');
  const auto next = space == text.npos ? space : text.find_first_not_of(' ', space);
  if (next != text.npos) text.erase(space + 1, next - space - 1);
  return text;
}

FaultStep FaultTrace::step(const Point& point, const Definition& by, Value value) {
  const Operation& each = point.in.function()[by.at];
  FaultStep step;
  step.at = location(each.at);
  step.instruction = instruction(each.at, each.size);
  step.reg = point.where.reg != kNoRegister ? std::string(machine_.set.name(point.where.reg))
                                            : fmt::format("the stack at {}", point.where.slot);
  step.value = value.known();
  return step;
}

void FaultTrace::finish(Trail trail, End end) {
  if (trails_.size() >= kMaxTrails) {
    all_ = false;
    return;
  }
  trail.end = end;
  trails_.push_back(std::move(trail));
}

void FaultTrace::explore(const Point& point, Value value, const Trail& so_far, unsigned depth) {
  // How large the stack's frames are tells nothing.
  const bool is_stack = point.where.reg == machine_.set.stack;
  const bool nowhere = point.where.reg == kNoRegister && raw(point.where.slot) == 0;
  if (depth == 0 || nowhere || is_stack) return finish(so_far, End::kUnknown);
  const Reaching found = point.in.reaching(point.at, point.known, point.where);
  all_ &= found.complete;
  for (const Definition& each : found.all) {
    if (trails_.size() >= kMaxTrails) all_ = false;
    if (trails_.size() >= kMaxTrails) return;
    if (each.at == Definition::kEntry) {
      explore_entry(point, each, value, so_far, depth);
    } else {
      explore_operation(point, each, value, so_far, depth);
    }
  }
}

// It came from the caller: in the same register, or on its stack.
void FaultTrace::explore_entry(const Point& point, const Definition& by, Value value, Trail trail,
                               unsigned depth) {
  Activation* outer = point.in.caller(by.before);
  if (!outer) return finish(std::move(trail), End::kUnknown);
  const Operation& call = outer->function()[outer->index()];
  FaultStep step;
  step.at = location(call.at);
  step.instruction = instruction(call.at, call.size);
  step.reg = point.where.reg != kNoRegister ? std::string(machine_.set.name(point.where.reg))
                                            : fmt::format("the stack at {}", point.where.slot);
  step.value = value.known();
  step.words =
      fmt::format("{} {} {} with it", outer->function().name(),
                  call.kind == Kind::kCall ? "called" : "went on to", point.in.function().name());
  trail.steps.push_back(std::move(step));
  explore({*outer, outer->index(), outer->known(), point.where}, value, trail, depth - 1);
}

// A word of the stack: which register was put there?
void FaultTrace::explore_slot(const Point& point, const Definition& by, Value value, Trail trail,
                              unsigned depth) {
  const Operation& each = point.in.function()[by.at];
  const auto at = stored_at(each, by.after, machine_.set);
  if (!at || each.from == kNoRegister) return finish(std::move(trail), End::kUnknown);
  const bool second = *at + each.bytes == raw(point.where.slot);
  if (*at != raw(point.where.slot) && !second) return finish(std::move(trail), End::kUnknown);
  const Register from = second ? each.from2 : each.from;
  trail.steps.back().words = fmt::format("{} was kept on the stack", machine_.set.name(from));
  go_on(point.in, by, Location::of(from), value, trail, depth);
}

void FaultTrace::explore_operation(const Point& point, const Definition& by, Value value,
                                   Trail trail, unsigned depth) {
  const Operation& each = point.in.function()[by.at];
  const Register reg = point.where.reg;
  trail.steps.push_back(step(point, by, value));
  FaultStep& here = trail.steps.back();
  if (reg == kNoRegister) return explore_slot(point, by, value, std::move(trail), depth);
  switch (each.kind) {
    case Kind::kLoad:
      if (reg == each.moved_base) break;
      return explore_load(point, by, reg == each.to ? 0 : each.bytes, value, std::move(trail),
                          depth);
    case Kind::kMove:
      here.words = fmt::format("{} is a copy of {}", here.reg, machine_.set.name(each.from));
      value.mask &= lower(each.bytes);
      return go_on(point.in, by, Location::of(each.from), value, trail, depth);
    case Kind::kConstant:
      // Another value: nobody came this way.
      if ((each.value & value.mask) != value.known()) return;
      here.words = fmt::format("the code puts {:#x} into {}", each.value, here.reg);
      here.confirmed = true;
      return finish(std::move(trail), End::kConstant);
    case Kind::kSum:
      return explore_sum(point, by, value, std::move(trail), depth);
    case Kind::kAddLoaded:
      return explore_added(point, by, value, std::move(trail), depth);
    case Kind::kShiftRight:
      return explore_shift(point, by, value, std::move(trail), depth);
    case Kind::kAnd:
      here.words =
          fmt::format("{} is {} & {:#x}", here.reg, machine_.set.name(each.from), each.value);
      if ((value.known() & ~each.value) != 0) return;  // it cannot have such bits
      value.mask &= each.value;
      return go_on(point.in, by, Location::of(each.from), value, trail, depth);
    case Kind::kSelect:
      here.words =
          fmt::format("{} or {}", machine_.set.name(each.from), machine_.set.name(each.from2));
      go_on(point.in, by, Location::of(each.from), value, trail, depth);
      return go_on(point.in, by, Location::of(each.from2), value, trail, depth);
    case Kind::kPop:
      if (const auto sp = by.before.get(machine_.set.stack); sp && reg == each.to) {
        here.words = fmt::format("{} was taken from the stack", here.reg);
        return go_on(point.in, by, Location::of(VirtAddr{*sp}), value, trail, depth);
      }
      break;
    case Kind::kCall: {
      if (reg != machine_.set.result) break;
      const auto to = each.target ? machine_.kernel.code(*each.target) : std::nullopt;
      here.words = fmt::format("{} is what {} returned", here.reg,
                               to && to->offset == 0 ? to->function : "the function called");
      return finish(std::move(trail), End::kResult);
    }
    default:
      break;
  }
  here.words = fmt::format("{} was computed here", here.reg);
  finish(std::move(trail), End::kUnknown);
}

Trail FaultTrace::loaded(Activation& in, const Definition& by, std::uint64_t behind,
                         std::uint64_t value, std::uint64_t mask) {
  const Operation& each = in.function()[by.at];
  Trail trail;
  trail.end = End::kLoaded;
  trail.value = value;
  trail.mask = mask & lower(each.bytes);
  AddressForm form = each.memory;
  form.displacement += static_cast<std::int64_t>(behind);
  trail.memory = in.address(by.at, by.before, form);
  if (trail.memory && in.is_overwritten(*trail.memory)) trail.memory.reset();
  const auto now = trail.memory ? load_number(machine_.kernel.memory(), *trail.memory, each.bytes)
                                : std::nullopt;
  if (now) {
    const bool same = (*now & trail.mask) == (value & trail.mask);
    trail.end = same ? End::kConfirmed : End::kChanged;
  }
  trail.place = types_.place(in, by.at, by.before, form, each.bytes);
  return trail;
}

void FaultTrace::explore_load(const Point& point, const Definition& by, std::uint64_t behind,
                              Value value, Trail trail, unsigned depth) {
  const Operation& each = point.in.function()[by.at];
  value.mask &= lower(each.bytes);
  Trail found = loaded(point.in, by, behind, value.value, value.mask);
  FaultStep& here = trail.steps.back();
  here.memory = found.memory;
  here.confirmed = found.end == End::kConfirmed;
  if (found.place) here.place = found.place->member.path;
  // Kept on the stack meanwhile: who put it there?
  const bool kept = found.memory && each.bytes == kWord && here.place.empty() &&
                    on_stack(*found.memory) && found.end != End::kChanged;
  if (kept) {
    here.words = fmt::format("{} was kept on the stack at {}", here.reg, *found.memory);
    return go_on(point.in, by, Location::of(*found.memory), value, trail, depth);
  }
  if (found.end == End::kLoaded && behind == 0 && is_unchanged(point, by)) {
    trail.from_itself = each.memory.displacement;
  }
  trail.memory = found.memory;
  trail.place = std::move(found.place);
  trail.value = value.value;
  trail.mask = value.mask;
  const std::string from =
      fmt::format("{} was loaded from {}{}", here.reg,
                  here.memory ? fmt::format("{}", *here.memory) : std::string("memory"),
                  here.place.empty() ? "" : fmt::format(" ({})", here.place));
  here.words =
      found.end == End::kConfirmed ? from + ", which still holds it"
      : found.end == End::kChanged
          ? fmt::format(
                "{}, which holds {:#x} by now", from,
                load_number(machine_.kernel.memory(), *found.memory, each.bytes).value_or(0))
          : from + ", whose address or content is not known any more";
  finish(std::move(trail), found.end);
}

void FaultTrace::explore_sum(const Point& point, const Definition& by, Value value, Trail trail,
                             unsigned depth) {
  const AddressForm& form = point.in.function()[by.at].memory;
  FaultStep& here = trail.steps.back();
  const auto rest = value.value - static_cast<std::uint64_t>(form.displacement);
  if (form.index == kNoRegister) {
    here.words = form.base == kNoRegister
                     ? fmt::format("{} is an address in the code", here.reg)
                     : fmt::format("{} is {} + {:#x}", here.reg, machine_.set.name(form.base),
                                   form.displacement);
    if (form.base == kNoRegister) return finish(std::move(trail), End::kConstant);
    return go_on(point.in, by, Location::of(form.base), {rest, value.mask}, trail, depth);
  }
  auto base = point.in.evaluate(by.at, by.before, form.base);
  auto index = point.in.evaluate(by.at, by.before, form.index);
  if (form.scale == 1 && form.index_bytes == 8 && value.mask == kAllBits) {
    if (base && !index) index = rest - *base;
    if (index && !base) base = rest - *index;
  }
  AddressForm terms = form;
  if (terms.base == kNoRegister) base = 0;
  const Register next = suspect(terms, base, index);
  here.words = fmt::format(
      "{} is {}{} + {:#x}", here.reg,
      form.base == kNoRegister ? "" : fmt::format("{} + ", machine_.set.name(form.base)),
      form.scale == 1 ? std::string(machine_.set.name(form.index))
                      : fmt::format("{} * {}", machine_.set.name(form.index), form.scale),
      form.displacement);
  const auto of = next == form.base ? base : index;
  if (next == kNoRegister || !of || (next == form.index && form.scale != 1)) {
    return finish(std::move(trail), End::kUnknown);
  }
  go_on(point.in, by, Location::of(next), {*of, kAllBits}, trail, depth);
}

void FaultTrace::explore_shift(const Point& point, const Definition& by, Value value, Trail trail,
                               unsigned depth) {
  const Operation& each = point.in.function()[by.at];
  const auto from = point.in.evaluate(by.at, by.before, each.from);
  FaultStep& here = trail.steps.back();
  here.words = fmt::format("{} is {} >> {}", here.reg, machine_.set.name(each.from), each.value);
  if (!from || each.value >= 64 || *from >> each.value != value.value) {
    return finish(std::move(trail), End::kUnknown);
  }
  go_on(point.in, by, Location::of(each.from), {*from, kAllBits}, trail, depth);
}

// to = to + memory: one of them is wrong.
void FaultTrace::explore_added(const Point& point, const Definition& by, Value value, Trail trail,
                               unsigned depth) {
  const Operation& each = point.in.function()[by.at];
  const auto where = point.in.address(by.at, by.before, each.memory);
  const auto added =
      where ? load_number(machine_.kernel.memory(), *where, each.bytes) : std::nullopt;
  FaultStep& here = trail.steps.back();
  here.memory = where;
  here.words = fmt::format("{} is the sum of what it was and of memory", here.reg);
  if (!added) return finish(std::move(trail), End::kUnknown);
  const std::uint64_t before = value.value - *added;
  const bool memory_is_wrong = is_mapped(before) && !is_mapped(*added) && *added >= kMaxDistance;
  if (memory_is_wrong)
    return explore_load(point, by, 0, {*added, kAllBits}, std::move(trail), depth);
  go_on(point.in, by, Location::of(each.to), {before, kAllBits}, trail, depth);
}

// The only way that memory does not speak against; null when there are several.
const Trail* FaultTrace::most_likely() const {
  if (!all_) return nullptr;
  if (trails_.size() == 1) return &trails_.front();
  const Trail* found = nullptr;
  for (const Trail& each : trails_) {
    if (each.end == End::kChanged) continue;
    if (found) return nullptr;
    found = &each;
  }
  return found && found->end != End::kConfirmed ? found : nullptr;
}

// Is the base of that load the register that was asked for at the start, as it was there the last
// time?
bool FaultTrace::is_unchanged(const Point& point, const Definition& by) const {
  const AddressForm& form = point.in.function()[by.at].memory;
  if (&point.in != &start_->in || form.base != start_->where.reg || form.index != kNoRegister) {
    return false;
  }
  const auto sets = [&](std::uint32_t at, const Known& known) {
    std::vector<std::uint32_t> all;
    for (const Definition& each : point.in.reaching(at, known, start_->where).all) {
      all.push_back(each.at);
    }
    std::ranges::sort(all);
    return all;
  };
  return sets(by.at, {}) == sets(start_->at, {});
}

// A loop over a list: from its head on, which memory still shows, some element holds the value.
void FaultTrace::walk_list(std::uint64_t value) {
  const auto first = std::ranges::find(trails_, End::kChanged, &Trail::end);
  const auto loop = std::ranges::find_if(
      trails_, [](const Trail& each) { return each.from_itself && each.mask == kAllBits; });
  if (trails_.size() != 2 || first == trails_.end() || loop == trails_.end()) return;
  if (first->mask != kAllBits || is_common(*loop)) return;
  const VirtMemory& memory = machine_.kernel.memory();
  auto next = memory.load<std::uint64_t>(*first->memory);
  std::uint64_t distance = value - first->value;  // from what is loaded to what is used
  for (unsigned count = 1; next && count <= kMaxListed; ++count) {
    const VirtAddr at{*next + distance + static_cast<std::uint64_t>(*loop->from_itself)};
    distance = value - loop->value;
    next = memory.load<std::uint64_t>(at);
    if (!next || *next != loop->value) continue;
    loop->memory = at;
    loop->end = End::kConfirmed;
    FaultStep& step = loop->steps.back();
    step.memory = at;
    step.confirmed = true;
    step.words = fmt::format(
        "{} was loaded from {}, in element {} of the list that begins at {}; "
        "it still holds it",
        step.reg, at, count, *first->memory);
    return;
  }
}

Followed FaultTrace::follow(Activation& in, std::uint32_t at, const Known& known, Location where,
                            std::uint64_t value) {
  trails_.clear();
  all_ = true;
  const Point start{in, at, known, where};
  start_ = &start;
  explore(start, {value, kAllBits}, {}, kMaxSteps);
  walk_list(value);
  Followed result;
  if (trails_.empty()) return result;

  // Memory that still holds the value tells the way; a value that is everywhere only when no
  // other way is left.
  const Trail* chosen = nullptr;
  bool parted = false;
  for (const Trail& each : trails_) {
    if (each.end != End::kConfirmed) continue;
    if (chosen && chosen->memory != each.memory) parted = true;
    if (!chosen) chosen = &each;
  }
  const bool others = std::ranges::any_of(trails_, [](const Trail& each) {
    return each.end != End::kConfirmed && each.end != End::kChanged;
  });
  if (chosen && (parted || (is_common(*chosen) && (others || !all_)))) chosen = nullptr;
  if (!chosen) chosen = most_likely();
  if (chosen) {
    result.steps = chosen->steps;
    result.source = *chosen;
    return result;
  }
  // As far as all ways are the same.
  result.steps = trails_.front().steps;
  for (const Trail& each : trails_) {
    std::size_t same = 0;
    while (same < std::min(result.steps.size(), each.steps.size()) &&
           result.steps[same].at.address == each.steps[same].at.address &&
           result.steps[same].reg == each.steps[same].reg) {
      ++same;
    }
    result.steps.resize(same);
  }
  if (!all_) result.steps.clear();
  for (FaultStep& each : result.steps) each.confirmed = false;
  return result;
}

}  // namespace rig::analyzer
