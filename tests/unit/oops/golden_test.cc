// SPDX-License-Identifier: Apache-2.0
// Logs in tests/data/oops with what must be found in them beside; see the README there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"
#include "oops/report.h"

namespace rig::oops {
namespace {

void add(std::string& out, std::string_view name, const std::string& value) {
  if (!value.empty()) out += fmt::format("{}: {}\n", name, value);
}

void add_hex(std::string& out, std::string_view name, std::optional<std::uint64_t> value) {
  if (value) out += fmt::format("{}: {:#x}\n", name, *value);
}

void add_number(std::string& out, std::string_view name, std::optional<std::uint64_t> value) {
  if (value) out += fmt::format("{}: {}\n", name, *value);
}

void add_frames(std::string& out, std::string_view name, const std::vector<Frame>& frames) {
  for (const Frame& frame : frames) {
    out += fmt::format("{}: {}{}+{:#x}/{:#x}{}\n", name, frame.reliable ? "" : "? ", frame.function,
                       frame.offset, frame.size,
                       frame.module.empty() ? "" : " [" + frame.module + "]");
  }
}

std::string render(const Report& report) {
  std::string out = "--- report\n";
  add(out, "kind", report.kind);
  add(out, "title", report.title);
  for (const std::string& alt : report.alt) add(out, "alt", alt);
  add(out, "type", report.type);
  add(out, "function", report.function);
  add(out, "module", report.module);
  add_hex(out, "address", report.address);
  add(out, "access", report.access);
  add_number(out, "access_size", report.access_size);
  add(out, "cache", report.cache);
  add_hex(out, "object", report.object.address);
  add_number(out, "object_size", report.object.size);
  add_number(out, "object_offset", report.object.offset);
  add(out, "bytes", report.object.bytes);
  add(out, "comm", report.comm);
  add_number(out, "pid", report.pid);
  add_number(out, "cpu", report.cpu);
  add(out, "taint", report.taint);
  out += fmt::format("lines: {}-{}\n", report.first_line, report.last_line);
  if (report.panicked) out += "panicked\n";
  if (report.corrupted) out += "corrupted\n";
  if (report.suppressed) out += "suppressed\n";
  add_number(out, "caused_by", report.caused_by);
  add(out, "fingerprint", report.fingerprint);
  for (const auto& [name, value] : report.registers) add_hex(out, "register " + name, value);
  add_frames(out, "frame", report.frames);
  add_frames(out, "allocated", report.allocated);
  add_frames(out, "freed", report.freed);
  return out;
}

std::vector<std::string> logs() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(fs::path(RIG_TEST_DATA) / "oops")) {
    if (entry.path().extension() == ".txt") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public ::testing::TestWithParam<std::string> {};

TEST_P(Golden, LogGivesTheExpectedReports) {
  const fs::path log = fs::path(RIG_TEST_DATA) / "oops" / (GetParam() + ".txt");
  fs::path expect = log;
  expect.replace_extension(".expect");
  const auto text = read_file(log);
  ASSERT_TRUE(text) << text.error().message();
  std::string found;
  for (const Report& report : parse_reports(*text)) found += render(report);
  if (std::getenv("CRASHRIG_UPDATE_GOLDEN") != nullptr) {
    ASSERT_TRUE(write_file_atomically(expect, found));
  }
  const auto expected = read_file(expect);
  ASSERT_TRUE(expected) << expected.error().message();
  EXPECT_EQ(found, *expected);
}

INSTANTIATE_TEST_SUITE_P(Logs, Golden, ::testing::ValuesIn(logs()), [](const auto& log) {
  std::string name = log.param;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
});

}  // namespace
}  // namespace rig::oops
