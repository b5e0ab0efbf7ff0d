// SPDX-License-Identifier: Apache-2.0
// Parameters whose state shows in a file as it was written, and those of console and root.
#include <algorithm>

#include "base/text.h"
#include "cmdline/row.h"

namespace rig::cmdline {
namespace {

// "a [b] c" -> "b"
std::string_view chosen(std::string_view shown) {
  const std::size_t open = shown.find('[');
  const std::size_t close = shown.find(']', open == std::string_view::npos ? 0 : open);
  if (open == std::string_view::npos || close == std::string_view::npos) return shown;
  return shown.substr(open + 1, close - open - 1);
}

struct Setting {
  std::string_view name;
  const char* path;
};
// The files are those that the parameters' own documentation names (admin-guide/sysctl).
constexpr Setting kSettings[] = {
    {"apparmor", "/sys/module/apparmor/parameters/enabled"},
    {"hardlockup_all_cpu_backtrace", "/proc/sys/kernel/hardlockup_all_cpu_backtrace"},
    {"hugepages", "/proc/sys/vm/nr_hugepages"},
    {"hung_task_panic", "/proc/sys/kernel/hung_task_panic"},
    {"panic", "/proc/sys/kernel/panic"},
    {"panic_on_warn", "/proc/sys/kernel/panic_on_warn"},
    {"printk.devkmsg", "/proc/sys/kernel/printk_devkmsg"},
    {"softlockup_all_cpu_backtrace", "/proc/sys/kernel/softlockup_all_cpu_backtrace"},
    {"softlockup_panic", "/proc/sys/kernel/softlockup_panic"},
    {"transparent_hugepage", "/sys/kernel/mm/transparent_hugepage/enabled"},
};

// A kernel that knows the parameter but shows no file for it (no CONFIG_PROC_SYSCTL) proves
// nothing.
Answer check_shown(const std::string& path, std::string_view value, Evidence& evidence) {
  if (!evidence.file(path)) return not_checkable(fmt::format("there is no {}", path));
  return check_file(path, value, evidence);
}

Answer check_setting(const Parameter& parameter, Evidence& evidence) {
  for (const Setting& setting : kSettings) {
    if (!same_name(setting.name, parameter.name)) continue;
    return check_shown(setting.path, parameter.value_or_empty(), evidence);
  }
  return {};
}

// The only value that oops= has (kernel/panic.c).
Answer check_oops(const Parameter& parameter, Evidence& evidence) {
  if (parameter.value_or_empty() != "panic") return ineffective("oops= knows only 'panic'");
  return check_shown("/proc/sys/kernel/panic_on_oops", "1", evidence);
}

// It takes no value (arch/x86/kernel/nmi.c).
Answer check_unknown_nmi_panic(const Parameter&, Evidence& evidence) {
  return check_shown("/proc/sys/kernel/unknown_nmi_panic", "1", evidence);
}

// The first number of the file is the console's level (admin-guide/sysctl/kernel.rst).
Answer check_loglevel(const Parameter& parameter, Evidence& evidence) {
  const auto shown = evidence.file("/proc/sys/kernel/printk");
  if (!shown) return not_checkable("there is no /proc/sys/kernel/printk");
  const std::string_view text = trim(*shown);
  const std::string_view level = text.substr(0, text.find_first_of(" \t"));
  const std::string how = fmt::format("/proc/sys/kernel/printk is {}", printable(text));
  // CONSOLE_LOGLEVEL_DEBUG is 10, CONFIG_CONSOLE_LOGLEVEL_QUIET is 4 unless changed.
  const std::string_view wanted = parameter.name == "debug"   ? "10"
                                  : parameter.name == "quiet" ? "4"
                                                              : parameter.value_or_empty();
  return shows_value(level, wanted) ? effective(how) : ineffective(how);
}

// A line is "ttyS0  -W- (EC   a)  4:64" (fs/proc/consoles.c).
Answer check_console(const Parameter& parameter, Evidence& evidence) {
  const std::string_view value = parameter.value_or_empty();
  const std::string_view device = value.substr(0, value.find(','));
  const auto consoles = evidence.file("/proc/consoles");
  if (!consoles) return not_checkable("there is no /proc/consoles");
  std::string names;
  for (const std::string& line : split(*consoles, '\n')) {
    const std::string name = line.substr(0, line.find(' '));
    if (!name.empty() && name == device) {
      return effective(fmt::format("/proc/consoles has {}", name));
    }
    if (!name.empty()) names += (names.empty() ? "" : ", ") + printable(name);
  }
  return ineffective(fmt::format("/proc/consoles has {}", names.empty() ? "no console" : names));
}

struct Mount {
  std::string source, type, options;
};

// What is mounted on "/" last.
std::optional<Mount> root_mount(Evidence& evidence) {
  const auto mounts = evidence.file("/proc/mounts");
  if (!mounts) return std::nullopt;
  std::optional<Mount> root;
  for (const std::string& line : split(*mounts, '\n')) {
    const auto fields = split(line, ' ');
    if (fields.size() >= 4 && fields[1] == "/") root = Mount{fields[0], fields[2], fields[3]};
  }
  return root;
}

// root=, rootflags= and the like are of the mount that the kernel makes itself (init/do_mounts.c),
// which it does not where an initramfs has an /init.
Answer check_root(const Parameter& parameter, Evidence& evidence) {
  const auto root = root_mount(evidence);
  if (!root) return not_checkable("/proc/mounts shows no root");
  for (const std::string_view memory : {"rootfs", "ramfs", "tmpfs"}) {
    if (root->type != memory) continue;
    return ineffective(
        fmt::format("the guest's root is its initramfs (/proc/mounts: {}): the "
                    "kernel mounts no root itself",
                    memory));
  }
  const std::string how = printable(
      fmt::format("/proc/mounts has / as {} {} {}", root->source, root->type, root->options));
  if (!same_name(parameter.name, "rootflags")) return not_checkable(how);
  const auto shown = split(root->options, ',');
  for (const std::string& option : split(parameter.value_or_empty(), ',')) {
    if (std::find(shown.begin(), shown.end(), option) == shown.end()) return ineffective(how);
  }
  return effective(how);
}

constexpr Row kSettingRows[] = {
    {.name = "apparmor", .check = check_setting},
    {.name = "console", .check = check_console, .adds_up = true},
    {.name = "debug", .check = check_loglevel},
    {.name = "hardlockup_all_cpu_backtrace", .check = check_setting},
    {.name = "hugepages", .check = check_setting},
    {.name = "hung_task_panic", .check = check_setting},
    {.name = "loglevel", .check = check_loglevel},
    {.name = "oops", .check = check_oops},
    {.name = "panic", .check = check_setting},
    {.name = "panic_on_warn", .check = check_setting},
    {.name = "printk.devkmsg", .check = check_setting},
    {.name = "quiet", .check = check_loglevel},
    {.name = "ro", .check = check_root},
    {.name = "root", .check = check_root},
    {.name = "rootdelay", .check = check_root},
    {.name = "rootflags", .check = check_root},
    {.name = "rootfstype", .check = check_root},
    {.name = "rootwait", .check = check_root},
    {.name = "rw", .check = check_root},
    {.name = "softlockup_all_cpu_backtrace", .check = check_setting},
    {.name = "softlockup_panic", .check = check_setting},
    {.name = "transparent_hugepage", .check = check_setting},
    {.name = "unknown_nmi_panic", .check = check_unknown_nmi_panic},
};

}  // namespace

std::span<const Row> setting_rows() {
  return kSettingRows;
}

bool shows_value(std::string_view shown, std::string_view value) {
  shown = trim(chosen(trim(shown)));
  value = trim(value);
  if (shown == value) return true;
  const auto shown_number = parse_integer(shown);
  const auto number = parse_integer(value);
  if (shown_number && number) return *shown_number == *number;
  const auto shown_switch = parse_switch(shown);
  const auto wanted = parse_switch(value);
  return shown_switch && wanted && *shown_switch == *wanted;
}

Answer check_file(const std::string& path, std::string_view value, Evidence& evidence) {
  const auto shown = evidence.file(path);
  if (!shown) return ineffective(fmt::format("there is no {}", path));
  constexpr std::size_t kQuoted = 100;
  const std::string how = fmt::format("{} is {}", path, printable(trim(*shown)).substr(0, kQuoted));
  return shows_value(*shown, value) ? effective(how) : ineffective(how);
}

}  // namespace rig::cmdline
