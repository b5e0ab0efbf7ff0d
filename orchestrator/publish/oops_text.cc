// SPDX-License-Identifier: Apache-2.0
#include "publish/oops_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <vector>

#include "base/text.h"

namespace rig::publish {

namespace json = boost::json;

namespace {

constexpr std::size_t kShownFrames = 12;

json::value text_or_null(std::string_view text) {
  return text.empty() ? json::value(nullptr) : json::value(printable(text));
}

std::string frames_text(std::span<const oops::Frame> frames) {
  std::vector<std::string> shown;
  for (const oops::Frame& frame : frames) {
    if (!frame.reliable) continue;
    if (shown.size() == kShownFrames) {
      shown.emplace_back("...");
      break;
    }
    shown.push_back(printable(frame.function) +
                    (frame.module.empty() ? "" : " [" + printable(frame.module) + "]"));
  }
  return fmt::format("{}", fmt::join(shown, " < "));
}

std::string access_text(const oops::Report& report) {
  std::string text = report.access;
  if (report.access_size) text += fmt::format(" of {} bytes", *report.access_size);
  if (report.address) text += fmt::format("{}at {:#x}", text.empty() ? "" : " ", *report.address);
  return text;
}

std::string object_text(const oops::Report& report) {
  std::vector<std::string> parts;
  const oops::Object& object = report.object;
  if (!report.cache.empty()) parts.push_back("of cache " + printable(report.cache));
  if (object.address) parts.push_back(fmt::format("at {:#x}", *object.address));
  if (object.size) parts.push_back(fmt::format("{} bytes", *object.size));
  if (object.offset) parts.push_back(fmt::format("hit at offset {:#x}", *object.offset));
  if (!object.bytes.empty()) parts.push_back(printable(object.bytes));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string task_text(const oops::Report& report) {
  std::string text = printable(report.comm);
  if (report.pid) text += fmt::format("/{}", *report.pid);
  if (report.cpu) text += fmt::format("{}CPU {}", text.empty() ? "" : " on ", *report.cpu);
  return text;
}

std::string state_text(const oops::Report& report) {
  std::vector<std::string> parts;
  if (report.panicked) parts.emplace_back("the kernel panicked");
  if (report.corrupted) parts.emplace_back("corrupted: lines are missing or mixed with others");
  if (report.suppressed) parts.emplace_back("suppressed: the log names another reason");
  if (!report.taint.empty()) parts.push_back("tainted " + printable(report.taint));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string others_text(const oops::Report* report, std::span<const oops::Report> all) {
  std::vector<std::string> titles;
  for (const oops::Report& other : all) {
    if (&other != report) titles.push_back(printable(other.title));
  }
  if (titles.empty()) return {};
  const std::size_t count = titles.size();
  if (count > 3) titles.resize(3);
  return fmt::format("{} more (--all): {}{}", count, fmt::join(titles, "; "),
                     count > 3 ? "; ..." : "");
}

}  // namespace

std::string oops_json(std::string_view file, const oops::Report* report) {
  json::object object{{"file", printable(file)}, {"title", nullptr},    {"alt", json::array{}},
                      {"type", nullptr},         {"function", nullptr}, {"module", nullptr},
                      {"corrupted", false},      {"suppressed", false}, {"panicked", false},
                      {"lines", nullptr},        {"kind", nullptr},     {"fingerprint", nullptr}};
  if (report != nullptr) {
    object["title"] = printable(report->title);
    json::array alt;
    for (const std::string& title : report->alt) alt.emplace_back(printable(title));
    object["alt"] = std::move(alt);
    object["type"] = text_or_null(report->type);
    object["function"] = text_or_null(report->function);
    object["module"] = text_or_null(report->module);
    object["corrupted"] = report->corrupted;
    object["suppressed"] = report->suppressed;
    object["panicked"] = report->panicked;
    object["lines"] = json::array{report->first_line + 1, report->last_line + 1};
    object["kind"] = printable(report->kind);
    object["fingerprint"] = text_or_null(report->fingerprint);
  }
  return json::serialize(object) + "\n";
}

std::string oops_text(std::string_view file, const oops::Report* report,
                      std::span<const oops::Report> all) {
  if (report == nullptr) {
    std::string text = fmt::format("{}: no crash\n", printable(file));
    if (const std::string others = others_text(nullptr, all); !others.empty()) {
      text += "  noted      " + others + "\n";
    }
    return text;
  }
  std::string text = fmt::format("{}: {}\n", printable(file), printable(report->title));
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) text += fmt::format("  {:<10} {}\n", name, value);
  };
  add("lines", fmt::format("{} to {}", report->first_line + 1, report->last_line + 1));
  add("type", report->type);
  add("function", printable(report->function) +
                      (report->module.empty() ? "" : " [" + printable(report->module) + "]"));
  add("access", access_text(*report));
  add("object", object_text(*report));
  add("task", task_text(*report));
  add("stack", frames_text(report->frames));
  add("allocated", frames_text(report->allocated));
  add("freed", frames_text(report->freed));
  add("state", state_text(*report));
  add("also", printable(fmt::format("{}", fmt::join(report->alt, "; "))));
  add("further", others_text(report, all));
  return text;
}

}  // namespace rig::publish
