// SPDX-License-Identifier: Apache-2.0
// crashrig format [SECTION]...: the scenario format, key by key.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>

#include "commands/output.h"
#include "commands/verbs.h"
#include "scenario/format_text.h"

namespace rig::commands {
namespace {

namespace format = scenario::format;

struct FormatArguments {
  std::vector<std::string> sections;
  bool markdown = false;
  bool json = false;
};

boost::json::object section_json(const format::Section& section) {
  boost::json::array keys;
  for (const format::Key& key : section.keys) {
    boost::json::object row{{"name", key.name},
                            {"type", key.type},
                            {"required", key.required()},
                            {"default", nullptr},
                            {"meaning", key.meaning}};
    if (!key.required()) row["default"] = key.fallback;
    keys.push_back(std::move(row));
  }
  return {{"name", section.name}, {"where", section.where}, {"keys", std::move(keys)}};
}

Result<int> print_format(const FormatArguments& arguments) {
  std::vector<const format::Section*> sections(std::begin(format::kSections),
                                               std::end(format::kSections));
  if (!arguments.sections.empty()) sections.clear();
  for (const std::string& name : arguments.sections) {
    RIG_ASSIGN(const format::Section* const section, format::find_section(name));
    sections.push_back(section);
  }
  boost::json::array list;
  std::string text;
  for (const format::Section* section : sections) {
    list.push_back(section_json(*section));
    text += fmt::format("{}{}", text.empty() ? "" : "\n",
                        arguments.markdown ? format::markdown(*section) : format::plain(*section));
  }
  RIG_TRY(print_out(arguments.json ? boost::json::serialize(list) + "\n" : text));
  return kAsExpected;
}

}  // namespace

Action declare_format(CLI::App& app) {
  auto arguments = std::make_shared<FormatArguments>();
  app.add_option("SECTION", arguments->sections,
                 "only these maps of a scenario: scenario, guest, stress, report ...");
  auto* markdown = app.add_flag("--markdown", arguments->markdown,
                                "as tables in Markdown, as docs/SCENARIOS.md has them");
  app.add_flag("--json", arguments->json, "print it as one JSON document")->excludes(markdown);
  return [arguments](const Context&) { return print_format(*arguments); };
}

}  // namespace rig::commands
