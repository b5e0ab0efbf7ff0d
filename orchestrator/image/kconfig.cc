// SPDX-License-Identifier: Apache-2.0
#include "image/kconfig.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace rig::image {
namespace {

constexpr std::size_t kLargestFile = 4 << 20;
constexpr std::size_t kMostFiles = 10'000;  // Linux 6.1 has 1,700
constexpr int kDeepest = 32;

// Columns of blanks a line starts with; a tab goes to the next multiple of eight.
std::size_t indentation(std::string_view line) {
  std::size_t columns = 0;
  for (const char c : line) {
    if (c == ' ') {
      ++columns;
    } else if (c == '\t') {
      columns = columns / 8 * 8 + 8;
    } else {
      break;
    }
  }
  return columns;
}

// "select X if Y" -> {"select", "X if Y"}
std::pair<std::string_view, std::string_view> first_word(std::string_view line) {
  const auto blank = line.find_first_of(" \t");
  if (blank == std::string_view::npos) return {line, {}};
  return {line.substr(0, blank), trim(line.substr(blank))};
}

}  // namespace

class KconfigReader {
 public:
  KconfigReader(fs::path tree, std::string_view arch) : tree_(std::move(tree)), arch_(arch) {}

  Status read(const fs::path& file, int depth) {
    if (depth > kDeepest || !seen_.insert(file.string()).second || seen_.size() > kMostFiles) {
      return {};
    }
    const auto text = read_file(tree_ / file, kLargestFile);
    if (!text) return depth == 0 ? tl::unexpected<Error>(text.error()) : Status{};
    std::string joined;
    help_indent_ = 0;
    in_help_ = false;
    for (const std::string& line : split(*text, '\n')) {
      if (line.ends_with('\\') && !in_help_) {
        joined += line.substr(0, line.size() - 1) + " ";
        continue;
      }
      RIG_TRY(statement(std::exchange(joined, {}) + line, depth));
    }
    return {};
  }

  Kconfig take() { return std::move(result_); }

 private:
  Status statement(const std::string& line, int depth) {
    const std::string_view content = trim(line);
    if (in_help_) {
      const std::size_t indent = indentation(line);
      if (content.empty() || (indent > 0 && (help_indent_ == 0 || indent >= help_indent_))) {
        if (!content.empty() && help_indent_ == 0) help_indent_ = indent;
        return {};
      }
      in_help_ = false;
    }
    if (content.empty() || content.starts_with('#')) return {};
    const auto [word, rest] = first_word(content);
    if (word == "source" || word == "rsource") return include(rest, depth);
    if (word == "help" || word == "---help---") {
      in_help_ = true;
      help_indent_ = 0;
    } else if (word == "config" || word == "menuconfig") {
      begin_option(rest);
    } else {
      block_or_property(word, rest);
    }
    return {};
  }

  Status include(std::string_view path, int depth) {
    std::string name(path);
    std::erase(name, '"');
    for (const std::string_view variable : {"$(SRCARCH)", "$SRCARCH"}) {
      if (const auto at = name.find(variable); at != std::string::npos) {
        name.replace(at, variable.size(), arch_);
      }
    }
    option_ = nullptr;
    return read(name, depth + 1);
  }

  void begin_option(std::string_view name) {
    name_ = name;
    auto& all = result_.options_[name_];
    all.emplace_back();
    option_ = &all.back();
    for (const auto& block : blocks_) {
      option_->conditions.insert(option_->conditions.end(), block.begin(), block.end());
    }
  }

  void block_or_property(std::string_view word, std::string_view rest) {
    if (word == "if" || word == "menu" || word == "choice") {
      option_ = nullptr;
      blocks_.emplace_back();
      if (word == "if") blocks_.back().emplace_back(rest);
    } else if (word == "endif" || word == "endmenu" || word == "endchoice") {
      option_ = nullptr;
      if (!blocks_.empty()) blocks_.pop_back();
    } else if (word == "comment" || word == "mainmenu") {
      option_ = nullptr;
      in_comment_ = true;
      return;
    } else if (word == "depends") {
      depends(first_word(rest).second);
    } else if (option_ != nullptr) {
      property(word, rest);
    }
    if (word != "depends") in_comment_ = false;
  }

  // Of an option, or of the menu or choice that is open.
  void depends(std::string_view expression) {
    if (option_ != nullptr) {
      option_->conditions.emplace_back(expression);
    } else if (!in_comment_ && !blocks_.empty()) {
      blocks_.back().emplace_back(expression);
    }
  }

  void property(std::string_view word, std::string_view rest) {
    if (word == "select") {
      result_.selected_by_[std::string(first_word(rest).first)].push_back(name_);
      return;
    }
    constexpr std::string_view kPrompting[] = {"bool", "tristate", "int",
                                               "hex",  "string",   "prompt"};
    if (std::find(std::begin(kPrompting), std::end(kPrompting), word) == std::end(kPrompting)) {
      return;
    }
    if (rest.empty() || (rest.front() != '"' && rest.front() != '\'')) return;
    option_->has_prompt = true;
    const auto end = rest.rfind(rest.front());
    const std::string_view after = trim(rest.substr(end + 1));
    if (after.starts_with("if ")) option_->conditions.emplace_back(trim(after.substr(3)));
  }

  fs::path tree_;
  std::string arch_;
  std::set<std::string> seen_;
  Kconfig result_;
  std::vector<std::vector<std::string>> blocks_;
  std::string name_;
  Kconfig::Definition* option_ = nullptr;  // in result_, whose map does not move its values…
  bool in_comment_ = false;
  bool in_help_ = false;
  std::size_t help_indent_ = 0;
};

Result<Kconfig> Kconfig::read(const fs::path& tree, std::string_view arch) {
  KconfigReader reader(tree, arch);
  RIG_TRY(reader.read("Kconfig", 0));
  return reader.take();
}

std::string Kconfig::why_not(const std::string& name, const std::string& wanted,
                             const Config& config) const {
  const auto found = options_.find(name);
  if (found == options_.end()) {
    std::vector<std::string> names;
    for (const auto& [known, definitions] : options_) names.push_back(known);
    const auto near = nearest(name, names);
    return fmt::format("there is no such option in this kernel{}",
                       near ? fmt::format(", did you mean {}?", *near) : "");
  }
  if (wanted == "n") {
    std::string by;
    if (const auto selecting = selected_by_.find(name); selecting != selected_by_.end()) {
      for (const std::string& other : selecting->second) {
        if (config.value("CONFIG_" + other) == "n") continue;
        by += (by.empty() ? "" : ", ") + other;
      }
    }
    return by.empty() ? "the tree's own rules turn it on" : fmt::format("it is selected by {}", by);
  }
  std::string blocked;
  bool has_prompt = false;
  for (const Definition& definition : found->second) {
    std::string here;
    for (const std::string& condition : definition.conditions) {
      const std::string symbols = blocking_symbols(condition, config);
      if (!symbols.empty()) here += (here.empty() ? "" : ", ") + symbols;
    }
    has_prompt = has_prompt || definition.has_prompt;
    if (here.empty() && definition.has_prompt) return "another option of its choice or range won";
    if (!here.empty()) blocked += (blocked.empty() ? "" : " or ") + here;
  }
  if (!has_prompt) return "it cannot be set by itself: other options select it";
  return fmt::format("it depends on {}", blocked);
}

}  // namespace rig::image
