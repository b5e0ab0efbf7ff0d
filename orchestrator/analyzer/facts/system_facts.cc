// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/system_facts.h"

#include <algorithm>
#include <bit>
#include <charconv>

#include "analyzer/facts/clock.h"
#include "analyzer/facts/field_reader.h"
#include "analyzer/facts/taint.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxCommandLine = 16 << 10;
constexpr std::size_t kMaxMaskWords = 8192 / 64;
constexpr std::string_view kPanicMark = "Kernel panic - not syncing: ";
constexpr std::string_view kCommandLineMark = "Kernel command line: ";

// struct new_utsname in init_uts_ns. VMCOREINFO has its place, and the release, in every kernel.
void read_names(const FieldReader& fields, SystemFacts& facts) {
  const auto space = fields.kernel().symbol("init_uts_ns");
  if (space) {
    // struct new_utsname is ABI: six texts of 65 bytes (include/uapi/linux/utsname.h).
    constexpr std::uint64_t kText = 65;
    const auto member = fields.member("uts_namespace.name");
    const auto names = member ? std::optional(member->offset)
                              : fields.kernel().info().offset("uts_namespace.name");
    const auto text = [&](std::uint64_t index) {
      return names ? fields.kernel().memory().c_string(*space + *names + index * kText, kText)
                   : std::string();
    };
    facts.hostname = text(1);
    facts.release = text(2);
    facts.version = text(3);
    facts.machine = text(4);
  }
  const auto release = fields.kernel().info().value("OSRELEASE");
  if (facts.release.empty() && release) facts.release = *release;
  if (facts.release.empty()) facts.problems.emplace_back("release: not in the core");
}

// How many bits of `name`, a struct cpumask, are set.
std::optional<unsigned> count_cpus(const Kernel& kernel, std::string_view name) {
  const auto mask = kernel.symbol(name);
  const auto ids = kernel.variable<std::uint32_t>("nr_cpu_ids");
  if (!mask || !ids || *ids == 0) return std::nullopt;
  const std::size_t words = std::min<std::size_t>((*ids + 63) / 64, kMaxMaskWords);
  unsigned count = 0;
  for (std::size_t i = 0; i < words; ++i) {
    auto word = kernel.memory().load<std::uint64_t>(*mask + i * sizeof(std::uint64_t));
    if (!word) return std::nullopt;
    const auto left = *ids - i * 64;
    if (left < 64) *word &= (1ull << left) - 1;
    count += static_cast<unsigned>(std::popcount(*word));
  }
  return count;
}

// "[   12.345678] ..." of the last line of the log.
std::optional<double> last_stamp(std::string_view log) {
  while (log.ends_with('\n')) log.remove_suffix(1);
  const auto line = log.rfind('\n');
  log.remove_prefix(line == std::string_view::npos ? 0 : line + 1);
  const auto close = log.find(']');
  if (!log.starts_with('[') || close == std::string_view::npos) return std::nullopt;
  const auto number = trim(log.substr(1, close - 1));
  double seconds = 0;
  const auto end = number.data() + number.size();
  const auto parsed = std::from_chars(number.data(), end, seconds);
  return parsed.ec == std::errc() ? std::optional(seconds) : std::nullopt;
}

void read_times(const FieldReader& fields, std::string_view log, SystemFacts& facts) {
  const Kernel& kernel = fields.kernel();
  if (const auto clock = read_timekeeper(fields)) {
    facts.uptime = clock->since_boot;
    facts.crash_time = clock->wall;
  } else if (const auto uptime = uptime_by_jiffies(kernel)) {
    facts.uptime = uptime;
  } else if (const auto stamp = last_stamp(log)) {
    facts.uptime = stamp;
    facts.problems.emplace_back("uptime: that of the last line of the log (no timekeeper found)");
  }
  // Written by crash_save_vmcoreinfo() when the kernel itself takes a dump.
  const auto text = kernel.info().value("CRASHTIME");
  if (const auto time = text ? parse_u64(*text) : std::nullopt) facts.crash_time = *time;
}

// Fixed point with 11 bits after the point: include/linux/sched/loadavg.h.
void read_load(const Kernel& kernel, SystemFacts& facts) {
  constexpr double kFixedOne = 1 << 11;
  const auto at = kernel.symbol("avenrun");
  if (!at) return;
  const auto values = kernel.memory().load<std::array<std::uint64_t, 3>>(*at);
  if (!values) return;
  for (const std::uint64_t value : *values) {
    facts.load_average.push_back(static_cast<double>(value) / kFixedOne);
  }
}

std::string command_line(const Kernel& kernel, std::string_view log) {
  const auto at = kernel.variable("saved_command_line");
  std::string text;
  if (at) text = kernel.memory().c_string(VirtAddr{*at}, kMaxCommandLine);
  if (!text.empty()) return text;
  const auto mark = log.find(kCommandLineMark);
  if (mark == std::string_view::npos) return {};
  log.remove_prefix(mark + kCommandLineMark.size());
  return std::string(log.substr(0, log.find('\n')));
}

void read_taint(const Kernel& kernel, const std::vector<oops::Report>& reports,
                SystemFacts& facts) {
  if (const auto mask = kernel.variable("tainted_mask")) {
    facts.taint = taint_flags(*mask);
    return;
  }
  const auto tainted =
      std::ranges::find_if(reports.rbegin(), reports.rend(),
                           [](const oops::Report& each) { return !each.taint.empty(); });
  if (tainted != reports.rend()) facts.taint = taint_flags(tainted->taint);
  facts.problems.emplace_back(
      tainted != reports.rend()
          ? "taint: as the last report of the log has it (no variable tainted_mask)"
          : "taint: not known (no variable tainted_mask)");
}

void read_panic(Session& session, std::string_view log, SystemFacts& facts) {
  auto message = panic_message(log);
  if (!message) return;
  facts.panic = PanicFacts{*std::move(message), {}, {}, {}, {}};
  const auto cpu = std::ranges::find_if(session.cpus(), &CpuSnapshot::panicking);
  if (cpu == session.cpus().end()) return;
  facts.panic->cpu = cpu->number;
  if (!cpu->task) return;
  facts.panic->task = cpu->task->at;
  facts.panic->pid = cpu->task->pid;
  facts.panic->comm = cpu->task->comm;
}

void say_what_is_odd(Session& session, SystemFacts& facts) {
  const auto present = session.core().cpus().size();
  if (facts.cpus_online && *facts.cpus_online != present && facts.panic) {
    facts.problems.push_back(fmt::format(
        "{} of {} CPUs are still marked online: panic() takes the others offline as it stops them",
        *facts.cpus_online, present));
  }
  const auto release =
      session.core().vmcoreinfo() ? session.core().vmcoreinfo()->value("OSRELEASE") : std::nullopt;
  if (release && *release != facts.release) {
    facts.problems.push_back(
        fmt::format("VMCOREINFO is of release {}, the kernel says {}", *release, facts.release));
  }
}

}  // namespace

std::optional<std::string> panic_message(std::string_view log) {
  const auto at = log.find(kPanicMark);
  if (at == std::string_view::npos) return std::nullopt;
  log.remove_prefix(at + kPanicMark.size());
  return std::string(log.substr(0, log.find('\n')));
}

std::optional<std::uint64_t> managed_memory(Session& session) {
  const auto kernel = session.kernel();
  // A counter since ca79b0c211af (v5.0), with this name.
  const auto pages = kernel ? (*kernel)->variable("_totalram_pages") : std::nullopt;
  if (!pages) return std::nullopt;
  return *pages * session.arch().layout(**kernel).page_size;
}

Result<SystemFacts> system_facts(Session& session) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  const FieldReader fields(*kernel);
  const auto log = session.log();
  const std::string_view text = log ? std::string_view((*log)->text) : std::string_view();

  SystemFacts facts;
  read_names(fields, facts);
  facts.cmdline = command_line(*kernel, text);
  facts.cpus_online = count_cpus(*kernel, "__cpu_online_mask");
  facts.cpus_possible = count_cpus(*kernel, "__cpu_possible_mask");
  read_times(fields, text, facts);
  read_load(*kernel, facts);
  if (!session.tasks().empty()) facts.tasks = session.tasks().size();
  facts.memory_bytes = managed_memory(session);
  read_panic(session, text, facts);
  read_taint(*kernel, session.reports(), facts);
  say_what_is_odd(session, facts);
  return facts;
}

}  // namespace rig::analyzer
