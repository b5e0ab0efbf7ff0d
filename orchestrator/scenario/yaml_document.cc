// SPDX-License-Identifier: Apache-2.0
#include "scenario/yaml_document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "base/text.h"
#include "scenario/units.h"

namespace rig::scenario {

namespace {

// Thrown out of yaml-cpp's parser by the handler below, caught in parse_yaml().
struct Refused {
  Mark mark;
  std::string what;
};

Mark to_mark(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {mark.line + 1, mark.column + 1};
}

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
}

// Builds the tree from the parser's events.
class TreeBuilder : public YAML::EventHandler {
 public:
  Node take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override { root_.mark = to_mark(mark); }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    add({.kind = Node::Kind::kNull, .mark = to_mark(mark), .text = {}, .items = {}, .entries = {}});
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused{to_mark(mark), "aliases (*name) are not supported: write the value out"};
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (std::any_of(value.begin(), value.end(), is_control)) {
      throw Refused{to_mark(mark), "the text contains a control character"};
    }
    add({.kind = Node::Kind::kScalar,
         .mark = to_mark(mark),
         .text = value,
         .items = {},
         .entries = {}});
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Kind::kList, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    Node node;
    std::optional<Field> pending;  // of a map: a key that still waits for its value
  };

  static void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      throw Refused{to_mark(mark), "anchors (&name) are not supported: write the value out"};
    }
  }

  // yaml-cpp gives plain scalars the tag "?" and quoted ones "!".
  static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    throw Refused{to_mark(mark), "tags (!type) are not supported"};
  }

  void open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (levels_.size() >= kMaxYamlDepth) {
      throw Refused{to_mark(mark), fmt::format("nested deeper than {} levels", kMaxYamlDepth)};
    }
    Level level;
    level.node.kind = kind;
    level.node.mark = to_mark(mark);
    levels_.push_back(std::move(level));
  }

  void close() {
    Node node = std::move(levels_.back().node);
    levels_.pop_back();
    add(std::move(node));
  }

  void add(Node node) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.kind == Node::Kind::kList) {
      level.node.items.push_back(std::move(node));
    } else if (level.pending) {
      if (node.kind == Node::Kind::kNull) node.mark = level.pending->mark;
      level.pending->value = std::move(node);
      level.node.entries.push_back(*std::exchange(level.pending, std::nullopt));
    } else {
      level.pending = new_key(level.node, node);
    }
  }

  static Field new_key(const Node& map, const Node& key) {
    if (key.kind != Node::Kind::kScalar) throw Refused{key.mark, "a key must be a plain name"};
    for (const Field& entry : map.entries) {
      if (entry.key != key.text) continue;
      throw Refused{key.mark, fmt::format("key {} is given twice, first in line {}",
                                          shown(key.text), entry.mark.line)};
    }
    return {.key = key.text, .mark = key.mark, .value = {}};
  }

  Node root_;
  std::vector<Level> levels_;
};

// yaml-cpp's words for the commonest slips are hard to read.
struct Slip {
  std::string_view message;
  std::string_view meaning;
};
constexpr Slip kSlips[] = {
    {"end of map flow not found", "a '{' is not closed before here"},
    {"end of sequence flow not found", "a '[' is not closed before here"},
};

std::string explain(const YAML::Exception& error, std::string_view text) {
  for (const Slip& slip : kSlips) {
    if (error.msg == slip.message) return fmt::format("not valid YAML: {}", slip.meaning);
  }
  const auto lines = split(text, '\n');
  const auto line = static_cast<std::size_t>(std::max(error.mark.line, 0));
  const bool has_tab = line < lines.size() && lines[line].find('\t') != std::string::npos;
  return fmt::format("not valid YAML: {}{}", error.msg,
                     has_tab ? " (there is a tab: indent with blanks)" : "");
}

// yaml-cpp takes some control characters for the end of the file: nothing may hide behind them.
std::optional<Mark> find_control(std::string_view text) {
  Mark mark;
  for (const char c : text) {
    if (is_control(c) && c != '\r') return mark;
    ++mark.column;
    if (c == '\n') mark = {mark.line + 1, 1};
  }
  return std::nullopt;
}

tl::unexpected<Error> fail_at(std::string_view file, Mark mark, std::string_view what) {
  return fail(Blame::kInput, "{}:{}:{}: {}", file, mark.line, mark.column, what);
}

}  // namespace

Result<Node> parse_yaml(std::string_view text, std::string_view file) {
  if (text.size() > kMaxYamlBytes) {
    return fail_at(file, {}, fmt::format("larger than {} bytes", kMaxYamlBytes));
  }
  if (const auto mark = find_control(text)) {
    return fail_at(file, *mark, "not a text file: it contains a control character");
  }
  std::istringstream stream{std::string(text)};
  TreeBuilder builder;
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return fail_at(file, {}, "the file is empty");
    TreeBuilder second;
    if (parser.HandleNextDocument(second)) {
      return fail_at(file, second.take_root().mark, "a second document: one file, one document");
    }
  } catch (const Refused& refused) {
    return fail_at(file, refused.mark, refused.what);
  } catch (const YAML::Exception& error) {
    return fail_at(file, to_mark(error.mark), explain(error, text));
  }
  return builder.take_root();
}

}  // namespace rig::scenario
