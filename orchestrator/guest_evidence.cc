// SPDX-License-Identifier: Apache-2.0
#include "guest_evidence.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "guest/protocol.h"

namespace rig {
namespace {

std::optional<std::uint32_t> parse_hex(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "kernel/drivers/nvme/host/nvme-core.ko.xz: …" -> "nvme_core"
std::string module_of(std::string_view line) {
  line = line.substr(0, line.find(':'));
  line.remove_prefix(line.rfind('/') + 1);  // npos + 1 is 0
  return with_underscores(line.substr(0, line.find(".ko")));
}

}  // namespace

// The whole log, which the console shows only above its level; else what the console showed.
std::string_view GuestEvidence::log() {
  if (!log_) {
    log_ = file("/proc/kmsg");
    if (!log_) log_ = read_file(console_).value_or("");
  }
  return *log_;
}

std::optional<std::string> GuestEvidence::file(const std::string& path) {
  const auto known = files_.find(path);
  if (known != files_.end()) return known->second;
  if (!fault_) return std::nullopt;
  auto content = vm_.get_file(path, deadline_);
  if (!content && content.error().blame != Blame::kKernel) {
    fault_ = tl::unexpected(content.error());
    return std::nullopt;
  }
  auto& kept = files_[path];
  if (content) kept = std::move(*content);
  return kept;
}

std::optional<std::array<std::uint32_t, 4>> GuestEvidence::cpuid(std::uint32_t leaf) {
  const auto text = file(guest::kCpuidPath);
  if (!text) return std::nullopt;
  for (const std::string& line : split(*text, '\n')) {
    const auto words = split(line, ' ');
    if (words.size() != 5 || parse_hex(words[0]) != leaf) continue;
    std::array<std::uint32_t, 4> registers{};
    for (std::size_t i = 0; i < registers.size(); ++i) {
      const auto value = parse_hex(words[i + 1]);
      if (!value) return std::nullopt;
      registers[i] = *value;
    }
    return registers;
  }
  return std::nullopt;
}

// modules.builtin.modinfo holds strings that end in NUL: "workqueue.parmtype=power_efficient:bool"
// (scripts/link-vmlinux.sh); modules.dep a line per loadable module.
cmdline::Home GuestEvidence::home(std::string_view module, std::string_view parameter) {
  const auto builtin = read_file(modules_ / "modules.builtin.modinfo");
  const auto loadable = read_file(modules_ / "modules.dep");
  if (!builtin || !loadable) return cmdline::Home::kNotKnown;
  const std::string type = fmt::format("{}.parmtype={}:", module, parameter);
  if (builtin->starts_with(type) || builtin->find('\0' + type) != std::string::npos) {
    return cmdline::Home::kBuiltIn;
  }
  const auto lines = split(*loadable, '\n');
  const bool is_loadable = std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
    return module_of(line) == module;
  });
  return is_loadable ? cmdline::Home::kLoadable : cmdline::Home::kNoModule;
}

}  // namespace rig
