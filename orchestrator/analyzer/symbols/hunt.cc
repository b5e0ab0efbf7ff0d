// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/hunt.h"

#include <algorithm>
#include <array>

#include "analyzer/core/limits.h"
#include "analyzer/symbols/arm64_references.h"
#include "analyzer/symbols/hunt_proofs.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxConstants = 64 << 20;
constexpr std::uint64_t kMaxFunction = 16 << 10;
constexpr unsigned kMaxReferences = 64;  // references of one function
constexpr unsigned kProvingCpus = 8;     // that prove where the per-CPU variables are
constexpr unsigned kFewestPerCpu = 3;    // exported per-CPU variables that must agree

// struct btf_header of a kernel: magic, version 1, no flags, 24 bytes. scripts/link-vmlinux.sh.
constexpr std::string_view kBtfHeader("\x9f\xeb\x01\x00\x18\x00\x00\x00", 8);

// A way to a variable: a function that refers to it, and what proves it. Checklist for adding
// one: the function is in kallsyms also without data symbols; at most one address may remain.
struct Way {
  std::string_view variable;
  std::string_view function;
  bool (*proof)(const Hunt::Context&, VirtAddr);
  std::string_view member = {};     // what the function refers to, if not its beginning
  std::uint64_t before_member = 0;  // where the struct of that member is in it
  bool only_one = false;            // the function may refer to nothing else
  bool accessed = false;            // not only computed
  std::uint64_t nearby = 0;         // bytes behind what it refers to: -fsection-anchors
};

constexpr Way kWays[] = {
    {"modules", "find_module_all", is_module_list},
    {"slab_caches", "slab_start", is_slab_cache_list},
    {"btf_modules", "btf_try_get_module", is_module_types_list, {}, 0, false, false, 256},
    {"panic_cpu", "nmi_panic", is_panic_cpu, {}, 0, true, true},
    {"tainted_mask", "get_taint", is_tainted_mask, {}, 0, true},
    {"saved_command_line", "cmdline_proc_show", is_text_pointer, {}, 0, true},
    {"swap_info", "swp_swap_info", is_swap_table, {}, 0, true},
    {"stack_slabs", "stack_depot_fetch", is_stack_depot},
    {"stack_pools", "stack_depot_fetch", is_stack_depot},
    {"tk_core", "__ktime_get_real_seconds", is_timekeeper_core, "timekeeper.xtime_sec", 8, true},
};

}  // namespace

std::optional<Hunt> Hunt::start(const VirtMemory& memory, const Vmcoreinfo& info,
                                const Kallsyms& symbols) {
  const auto text = symbols.address("_stext");
  const auto begin = symbols.address("_etext");
  if (!text || !begin || *begin < *text) return std::nullopt;
  const auto end = symbols.address("_sinittext");
  const auto size = end && *end > *begin ? *end - *begin : kMaxConstants;
  std::vector<std::byte> constants(std::min(size, kMaxConstants));
  if (memory.read_with_holes(*begin, constants) == constants.size()) return std::nullopt;

  Hunt hunt(memory, std::move(constants), *begin);
  hunt.arm64_ = info.number("kimage_voffset").has_value();
  hunt.exported_ = Ksymtab::find(hunt.constants_, hunt.constants_begin_, symbols);
  hunt.find_types();
  hunt.find_banner(info);
  hunt.find_per_cpu(symbols);
  return hunt;
}

// Programs that the kernel carries have BTF of their own: the kernel's has its tasks.
void Hunt::find_types() {
  const auto text = as_text(constants_);
  // Honest ones are a few and do not overlap; what claims to be one costs as much as it claims.
  std::uint64_t left = 2 * constants_.size();
  for (auto at = text.find(kBtfHeader); at != text.npos; at = text.find(kBtfHeader, at + 1)) {
    const auto words = load<std::array<std::uint32_t, 4>>(constants_, at + 8);
    if (!words) return;
    const auto [type_offset, type_size, string_offset, string_size] = *words;
    const auto size = kBtfHeader.size() + 16 +
                      std::max(std::uint64_t{type_offset} + type_size,
                               std::uint64_t{string_offset} + string_size);
    const auto bytes = slice(constants_, at, size);
    if (!bytes) continue;
    if (size > left) return;
    left -= size;
    auto types = Btf::parse({bytes->begin(), bytes->end()});
    if (!types || !types->member("task_struct.comm") || !types->member("list_head.prev")) continue;
    types_ = *std::move(types);
    provenance_.push_back(fmt::format("types: BTF by its header at {}", constants_begin_ + at));
    return;
  }
}

void Hunt::find_banner(const Vmcoreinfo& info) {
  const auto release = info.value("OSRELEASE");
  if (!release) return;
  const auto text = as_text(constants_);
  const auto wanted = fmt::format("Linux version {} (", *release);
  auto found = text.find(wanted);
  if (found == text.npos) return;
  // Since 2df8220cc511 (v6.1) a weak one comes before it, whose "#" no build number follows.
  for (auto at = found; at != text.npos; at = text.find(wanted, at + 1)) {
    const auto banner = text.substr(at, text.find('\0', at) - at);
    const auto number = banner.rfind(" #");
    if (number == banner.npos || number + 2 >= banner.size()) continue;
    if (banner[number + 2] < '0' || banner[number + 2] > '9') continue;
    found = at;
    break;
  }
  known_["linux_banner"] = constants_begin_ + found;
  provenance_.push_back("linux_banner: the first text that begins so and has a build's number");
}

// BTF has the per-CPU variables by their offset in .data..percpu. Where that section is follows
// from those that are exported too: all of them must say the same, and the run queues must be
// there.
void Hunt::find_per_cpu(const Kallsyms& symbols) {
  const auto id = types_ ? types_->find(TypeKind::kSection, ".data..percpu") : std::nullopt;
  per_cpu_section_ = id ? types_->type(*id) : std::nullopt;
  if (!per_cpu_section_ || !exported_) return;
  std::optional<VirtAddr> base;
  unsigned agreeing = 0;
  for (std::uint32_t i = 0; i < per_cpu_section_->count; ++i) {
    const auto each = types_->variable(*per_cpu_section_, i);
    const auto at = each ? exported_->address(each->name) : std::nullopt;
    if (!at) continue;
    const VirtAddr begin{raw(*at) - each->offset};
    if (base && *base != begin) return;
    base = begin;
    ++agreeing;
  }
  if (!base || agreeing < kFewestPerCpu || !per_cpu_is_right(symbols, *base)) return;
  per_cpu_begin_ = base;
  known_["__per_cpu_start"] = base;
  known_["__per_cpu_end"] = *base + per_cpu_section_->word;
  provenance_.push_back(
      fmt::format("per-CPU variables: from {} exported ones and the section in BTF", agreeing));
}

// Each CPU's struct rq has that CPU's number, and a current task whose name is a text.
bool Hunt::per_cpu_is_right(const Kallsyms& symbols, VirtAddr base) const {
  const auto offsets = address("__per_cpu_offset", symbols);
  const auto cpu_member = types_->member("rq.cpu");
  const auto current = types_->member("rq.curr");
  std::optional<std::uint32_t> queue;
  for (std::uint32_t i = 0; i < per_cpu_section_->count && !queue; ++i) {
    const auto each = types_->variable(*per_cpu_section_, i);
    if (each && each->name == "runqueues") queue = each->offset;
  }
  if (!offsets || !cpu_member || !current || !queue) return false;
  unsigned right = 0;
  for (unsigned cpu = 0; cpu < kProvingCpus; ++cpu) {
    const auto offset = memory_->load<std::uint64_t>(*offsets + cpu * sizeof(std::uint64_t));
    if (!offset || *offset == 0) break;
    const VirtAddr rq = base + *queue + *offset;
    const auto number = memory_->load<std::uint32_t>(rq + cpu_member->offset);
    const auto task = memory_->load<std::uint64_t>(rq + current->offset);
    if (!number) break;  // a CPU that is not there
    if (*number != cpu || !task || *task >> 63 == 0) return false;
    ++right;
  }
  return right > 0;
}

std::optional<VirtAddr> Hunt::per_cpu_variable(std::string_view name) const {
  if (!per_cpu_begin_) return std::nullopt;
  for (std::uint32_t i = 0; i < per_cpu_section_->count; ++i) {
    const auto each = types_->variable(*per_cpu_section_, i);
    if (each && each->name == name) return *per_cpu_begin_ + each->offset;
  }
  return std::nullopt;
}

std::optional<Symbol> Hunt::nearest_per_cpu(VirtAddr address) const {
  if (!per_cpu_begin_) return std::nullopt;
  const auto offset = address - *per_cpu_begin_;
  for (std::uint32_t i = 0; i < per_cpu_section_->count; ++i) {
    const auto each = types_->variable(*per_cpu_section_, i);
    if (each && offset - each->offset < each->size) {
      return Symbol{*per_cpu_begin_ + each->offset, std::string(each->name), 'd'};
    }
  }
  return std::nullopt;
}

std::optional<VirtAddr> Hunt::address(std::string_view name, const Kallsyms& symbols) const {
  if (const auto found = known_.find(name); found != known_.end()) return found->second;
  auto result = exported_ ? exported_->address(name) : std::nullopt;
  if (!result) result = per_cpu_variable(name);
  if (!result) result = through_code(name, symbols);
  known_.emplace(name, result);
  return result;
}

// What one function refers to, of the kernel's data.
std::vector<VirtAddr> Hunt::references(std::string_view function, bool accessed,
                                       const Kallsyms& symbols) const {
  const auto begin = symbols.address(function);
  const auto end = begin ? symbols.next_after(*begin) : std::nullopt;
  if (!end || *end - *begin > kMaxFunction) return {};
  std::vector<VirtAddr> all;
  const auto code = memory_->read_up_to(*begin, *end - *begin);
  for (const Reference& each : arm64_references(code, *begin)) {
    // Data that is written at the start only lies among the constants.
    const bool data = each.address - constants_begin_ < kMaxImage;
    if (data && (each.accessed || !accessed)) all.push_back(each.address);
  }
  if (all.size() > kMaxReferences) return {};
  return all;
}

std::optional<VirtAddr> Hunt::through_code(std::string_view name, const Kallsyms& symbols) const {
  const auto way = std::ranges::find(kWays, name, &Way::variable);
  if (!arm64_ || !types_ || way == std::end(kWays)) return std::nullopt;
  const auto candidates = references(way->function, way->accessed, symbols);
  if (way->only_one && candidates.size() != 1) return std::nullopt;
  std::uint64_t distance = way->before_member;
  if (!way->member.empty()) {
    const auto member = types_->member(way->member);
    if (!member) return std::nullopt;
    distance += member->offset;
  }
  const Context context{*memory_, symbols, *types_, *this};
  std::optional<VirtAddr> found;
  for (const VirtAddr each : candidates) {
    for (std::uint64_t behind = 0; behind <= way->nearby; behind += sizeof(std::uint64_t)) {
      const VirtAddr at{raw(each) - distance + behind};
      if (found == at || !way->proof(context, at)) continue;
      if (found) return std::nullopt;
      found = at;
    }
  }
  if (found) {
    provenance_.push_back(fmt::format("{}: {}() refers to it", name, way->function));
  }
  return found;
}

}  // namespace rig::analyzer
