// SPDX-License-Identifier: Apache-2.0
// Parameters without a row of their own: of modules, of sysctl, of the kernel itself.
#include <algorithm>

#include "base/text.h"
#include "cmdline/kernel_log.h"
#include "cmdline/row.h"

namespace rig::cmdline {
namespace {

// Parameters of the kernel itself that look like a module's; they have no file in /sys.
constexpr std::string_view kNotOfModules[] = {
    "cgroup.memory",    "devtmpfs.mount",          "fw_devlink.strict",
    "iommu.forcedac",   "iommu.passthrough",       "iommu.strict",
    "lsm.debug",        "proc_mem.force_override", "random.trust_bootloader",
    "random.trust_cpu", "sysfs.deprecated",        "kasan.mode",
    "kasan.stacktrace", "kasan.stack_ring_size",   "kasan.vmalloc",
};

// The value that a module parameter without one has: a switch that is on.
std::string_view value_of(const Parameter& parameter) {
  return parameter.value ? std::string_view(*parameter.value) : std::string_view("1");
}

// A line is "name size users dependents state address" (kernel/module/procfs.c).
bool is_loaded(std::string_view module, Evidence& evidence) {
  const auto modules = evidence.file("/proc/modules");
  if (!modules) return false;
  const auto lines = split(*modules, '\n');
  return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
    return line.substr(0, line.find(' ')) == module;
  });
}

// sysctl.kernel.panic=1, with dots or slashes, since 3db978d480e2 (v5.8).
Answer check_sysctl(std::string_view name, const Parameter& parameter, Evidence& evidence) {
  std::string path(name);
  if (path.find('/') == std::string::npos) std::replace(path.begin(), path.end(), '.', '/');
  return check_file("/proc/sys/" + path, parameter.value_or_empty(), evidence);
}

Answer check_module(const std::string& module, const std::string& name, const Parameter& parameter,
                    Evidence& evidence) {
  const std::string path = fmt::format("/sys/module/{}/parameters/{}", module, name);
  if (evidence.file(path)) return check_file(path, value_of(parameter), evidence);
  const std::string refusal = fmt::format("{}: unknown parameter '{}'", module, name);
  if (const auto line = find_line(evidence.log(), refusal)) {
    return {State::kUnknown, fmt::format("the log: {}", *line)};
  }
  if (is_loaded(module, evidence)) {
    return not_checkable(fmt::format("{} is loaded, but shows no {}", module, path));
  }
  switch (evidence.home(module, name)) {
    case Home::kNoModule:
      return {State::kUnknown,
              fmt::format("the kernel has no module {}, nor built-in code with a parameter {}.{}",
                          module, module, name)};
    case Home::kLoadable:
      return ineffective(
          fmt::format("the module {} is not loaded: name it in guest.drivers", module));
    case Home::kBuiltIn:
      return not_checkable(fmt::format("the kernel has it built in, but shows no {}", path));
    case Home::kNotKnown:
      break;
  }
  return not_checkable(fmt::format("there is no {}, and no list of what is built in", path));
}

}  // namespace

Answer check_dotted(const Parameter& parameter, Evidence& evidence) {
  for (const std::string_view name : kNotOfModules) {
    if (!same_name(name, parameter.name)) continue;
    return not_checkable("a parameter of the kernel itself, which shows it nowhere");
  }
  const std::size_t dot = parameter.name.find('.');
  const std::string module = with_underscores(parameter.name.substr(0, dot));
  const std::string name = parameter.name.substr(dot + 1);
  if (module == "sysctl") return check_sysctl(name, parameter, evidence);
  return check_module(module, with_underscores(name), parameter, evidence);
}

// core_param() of any file of the kernel shows below "kernel" (kernel/params.c).
Answer check_undotted(const Parameter& parameter, Evidence& evidence) {
  const std::string path = "/sys/module/kernel/parameters/" + with_underscores(parameter.name);
  if (parameter.name.find('/') == std::string::npos && evidence.file(path)) {
    return check_file(path, value_of(parameter), evidence);
  }
  return not_checkable("the kernel took it without complaint; nothing shows what came of it");
}

}  // namespace rig::cmdline
