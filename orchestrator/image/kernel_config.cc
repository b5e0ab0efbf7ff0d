// SPDX-License-Identifier: Apache-2.0
#include "image/kernel_config.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace rig::image {
namespace {

constexpr std::string_view kPrefix = "CONFIG_";
constexpr std::string_view kUnset = " is not set";
constexpr std::size_t kLargestFragment = 4 << 20;

bool is_option_name(std::string_view name) {
  if (!name.starts_with(kPrefix) || name.size() == kPrefix.size()) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// "CONFIG_X=y" or "# CONFIG_X is not set"; nothing for any other line.
std::optional<ConfigOption> parse_line(std::string_view line) {
  if (line.starts_with('#')) {
    std::string_view rest = trim(line.substr(1));
    if (!rest.ends_with(kUnset)) return std::nullopt;
    rest.remove_suffix(kUnset.size());
    if (!is_option_name(rest)) return std::nullopt;
    return ConfigOption{std::string(rest), "n", {}};
  }
  const auto equals = line.find('=');
  if (equals == std::string_view::npos || !is_option_name(line.substr(0, equals))) {
    return std::nullopt;
  }
  return ConfigOption{
      std::string(line.substr(0, equals)), std::string(line.substr(equals + 1)), {}};
}

}  // namespace

Result<std::vector<ConfigOption>> parse_fragment(std::string_view text, std::string_view file) {
  std::vector<ConfigOption> options;
  std::size_t number = 0;
  for (const std::string& line : split(text, '\n')) {
    ++number;
    const std::string_view content = trim(line);
    auto option = parse_line(content);
    if (option && !option->value.empty()) {
      option->place = fmt::format("{}:{}", file, number);
      options.push_back(std::move(*option));
    } else if (!content.empty() && !content.starts_with('#')) {
      return fail_hint(Blame::kInput, "write CONFIG_NAME=value, or CONFIG_NAME=n",
                       "{}:{}: no option of a kernel's configuration: {}", file, number,
                       printable(content));
    }
  }
  return options;
}

Result<std::vector<ConfigOption>> merge_fragments(const scenario::KernelConfig& config, Arch arch) {
  std::vector<ConfigOption> merged;
  for (const std::string& name : config.fragments) {
    for (const std::string_view part : {std::string_view(), to_string(arch)}) {
      const auto file = scenario::fragment_file(config, name, part);
      if (!file) continue;
      RIG_ASSIGN(const std::string text, read_file(*file, kLargestFragment));
      RIG_ASSIGN(const auto options, parse_fragment(text, file->filename().string()));
      for (const ConfigOption& option : options) {
        const auto same = std::find_if(merged.begin(), merged.end(), [&](const ConfigOption& m) {
          return m.name == option.name;
        });
        if (same == merged.end()) {
          merged.push_back(option);
        } else {
          *same = option;
        }
      }
    }
  }
  return merged;
}

std::string config_text(const std::vector<ConfigOption>& options) {
  std::string text;
  for (const ConfigOption& option : options) {
    text += option.value == "n" ? fmt::format("# {}{}\n", option.name, kUnset)
                                : fmt::format("{}={}\n", option.name, option.value);
  }
  return text;
}

Config::Config(std::string_view text) {
  for (const std::string& line : split(text, '\n')) {
    if (auto option = parse_line(trim(line))) values_[option->name] = option->value;
  }
}

std::string Config::value(const std::string& name) const {
  const auto found = values_.find(name);
  return found != values_.end() ? found->second : "n";
}

std::size_t Config::enabled() const {
  return static_cast<std::size_t>(
      std::count_if(values_.begin(), values_.end(),
                    [](const auto& each) { return each.second == "y" || each.second == "m"; }));
}

std::vector<ConfigOption> not_as_asked(const std::vector<ConfigOption>& options,
                                       const Config& config) {
  std::vector<ConfigOption> wrong;
  for (const ConfigOption& option : options) {
    if (config.value(option.name) != option.value) wrong.push_back(option);
  }
  return wrong;
}

}  // namespace rig::image
