// SPDX-License-Identifier: Apache-2.0
// Page allocator, KASAN, memory for a crash kernel.
#include "base/text.h"
#include "cmdline/kernel_log.h"
#include "cmdline/row.h"

namespace rig::cmdline {
namespace {

// "mem auto-init: stack:off, heap alloc:on, heap free:off" (report_meminit() in init/main.c).
Answer check_auto_init(const Parameter& parameter, Evidence& evidence) {
  const auto line = find_line(evidence.log(), "mem auto-init: stack");
  if (!line) return not_checkable("the log has no line 'mem auto-init'");
  const auto wanted = parse_switch(parameter.value_or_empty());
  if (!wanted) return ineffective("it is neither on nor off");
  const std::string_view what =
      same_name(parameter.name, "init_on_free") ? "heap free:" : "heap alloc:";
  const std::string text = fmt::format("{}{}", what, *wanted ? "on" : "off");
  return line->find(text) != std::string::npos ? effective(log_says(*line))
                                               : ineffective(log_says(*line));
}

// x86 says so when it frees its init memory (free_init_pages() in arch/x86/mm/init.c). Elsewhere it
// is enough that the kernel knows the parameter, which needs CONFIG_DEBUG_PAGEALLOC.
Answer check_debug_pagealloc(const Parameter& parameter, Evidence& evidence) {
  const auto wanted = parse_switch(parameter.value_or_empty());
  if (!wanted) return ineffective("it is neither on nor off");
  const auto line = find_line(evidence.log(), "debug: unmapping init [mem ");
  if (line) return *wanted ? effective(log_says(*line)) : ineffective(log_says(*line));
  const auto freed = find_line(evidence.log(), "Freeing unused kernel image");
  if (freed && *wanted) return ineffective(log_says(*freed));
  return effective(
      "the kernel has CONFIG_DEBUG_PAGEALLOC, or the parameter would be unknown to it");
}

std::optional<std::string> kasan_line(Evidence& evidence) {
  return find_line(evidence.log(), "KernelAddressSanitizer initialized");
}

Answer without_kasan() {
  return {State::kUnknown,
          "the kernel has no KASAN: its log has no 'KernelAddressSanitizer initialized'"};
}

// Its name has a dot, so that a kernel without it says nothing: its function must be there
// (early_kasan_fault() in mm/kasan/report.c).
Answer check_kasan_fault(const Parameter& parameter, Evidence& evidence) {
  const auto line = kasan_line(evidence);
  if (!line) return without_kasan();
  const auto symbols = evidence.file("/proc/kallsyms");
  if (!symbols || symbols->find(" early_kasan_fault\n") == std::string::npos) {
    return {State::kUnknown, "KASAN is on, but /proc/kallsyms has no early_kasan_fault"};
  }
  return effective(printable(fmt::format("{}; early_kasan_fault() took '{}' without complaint",
                                         log_says(*line), parameter.value_or_empty())));
}

Answer check_kasan_multi_shot(const Parameter&, Evidence& evidence) {
  const auto line = kasan_line(evidence);
  if (!line) return without_kasan();
  return effective(fmt::format("{}; the parameter is not among the unknown ones", log_says(*line)));
}

// "crashkernel=128M", "…@16M", "…,high"; with ranges the size depends on the memory.
Answer check_crashkernel(const Parameter& parameter, Evidence& evidence) {
  const std::string path = "/sys/kernel/kexec_crash_size";
  const auto shown = evidence.file(path);
  if (!shown) return ineffective(fmt::format("the kernel cannot kexec: there is no {}", path));
  const auto reserved = parse_u64(trim(*shown)).value_or(0);
  if (reserved == 0) {
    auto why = find_line(evidence.log(), "crashkernel");
    if (!why || why->find("ommand line") != std::string::npos) why.reset();
    return ineffective(
        fmt::format("nothing is reserved: {} is 0{}", path, why ? "; " + log_says(*why) : ""));
  }
  const std::string_view value = parameter.value_or_empty();
  const auto wanted = parse_size(value.substr(0, value.find_first_of("@,")));
  const std::string how = fmt::format("{} is {}", path, reserved);
  const bool simple = value.find(':') == std::string_view::npos && !value.ends_with(",low");
  return simple && wanted && *wanted != reserved ? ineffective(how) : effective(how);
}

constexpr Row kMemoryRows[] = {
    {.name = "crashkernel", .check = check_crashkernel, .adds_up = true},
    {.name = "debug_pagealloc", .check = check_debug_pagealloc},
    {.name = "init_on_alloc", .check = check_auto_init},
    {.name = "init_on_free", .check = check_auto_init},
    {.name = "kasan.fault", .check = check_kasan_fault},
    {.name = "kasan_multi_shot", .check = check_kasan_multi_shot},
};

}  // namespace

std::span<const Row> memory_rows() {
  return kMemoryRows;
}

}  // namespace rig::cmdline
