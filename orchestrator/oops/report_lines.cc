// SPDX-License-Identifier: Apache-2.0
#include "oops/report_lines.h"

#include <array>
#include <cstring>

#include "oops/report.h"

namespace rig::oops {
namespace {

bool digit(char c) {
  return c >= '0' && c <= '9';
}

void skip_spaces(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

std::size_t count_digits(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && digit(text[end])) ++end;
  return end - at;
}

// The length of "[   12.345678]" at the front, or 0.
std::size_t stamp_length(std::string_view text) {
  if (text.empty() || text.front() != '[') return 0;
  std::size_t at = 1;
  while (at < text.size() && text[at] == ' ') ++at;
  const std::size_t seconds = count_digits(text, at);
  at += seconds;
  if (seconds == 0 || seconds > 12 || at >= text.size() || text[at] != '.') return 0;
  const std::size_t micros = count_digits(text, ++at);
  at += micros;
  if (micros < 3 || micros > 9 || at >= text.size() || text[at] != ']') return 0;
  return at + 1;
}

// The length of dmesg -T's "[Mon Mar 14 12:00:00 2022]", or 0.
std::size_t date_stamp_length(std::string_view text) {
  if (text.size() < 26 || text[0] != '[' || text[25] != ']') return 0;
  return text[14] == ':' && text[17] == ':' && digit(text[12]) && digit(text[24]) ? 26 : 0;
}

// The length of "[  T123]" or "[    C1]" at the front, or 0; the name goes to `caller`.
std::size_t caller_length(std::string_view text, std::string_view& caller) {
  if (text.empty() || text.front() != '[') return 0;
  std::size_t at = 1;
  while (at < text.size() && text[at] == ' ') ++at;
  const std::size_t begin = at;
  if (at >= text.size() || (text[at] != 'T' && text[at] != 'C')) return 0;
  const std::size_t number = count_digits(text, ++at);
  at += number;
  if (number == 0 || at >= text.size() || text[at] != ']') return 0;
  caller = text.substr(begin, at - begin);
  return at + 1;
}

// The length of "<4>" or "<12>", or 0.
std::size_t level_length(std::string_view text) {
  if (text.size() < 3 || text.front() != '<') return 0;
  const std::size_t number = count_digits(text, 1);
  return number >= 1 && number <= 3 && number + 1 < text.size() && text[number + 1] == '>'
             ? number + 2
             : 0;
}

// /dev/kmsg and extended netconsole: "6,1234,5678901,-[,caller=T1];text" (printk's
// Documentation/ABI/testing/dev-kmsg).
bool strip_kmsg(Line& line) {
  const std::size_t semicolon = line.text.find(';');
  if (semicolon == std::string_view::npos || semicolon > 80) return false;
  std::string_view head = line.text.substr(0, semicolon);
  for (int field = 0; field < 3; ++field) {
    const std::size_t number = count_digits(head, 0);
    if (number == 0 || number >= head.size() || head[number] != ',') return false;
    head.remove_prefix(number + 1);
  }
  if (const auto at = head.find("caller="); at != std::string_view::npos) {
    line.caller = head.substr(at + 7, head.find(',', at) - (at + 7));
  }
  line.text.remove_prefix(semicolon + 1);
  line.stamped = true;
  return true;
}

// "Mar  1 12:00:00 host kernel: ", "2023-01-01T00:00:00+00:00 host kernel: ".
void strip_syslog(std::string_view& text) {
  constexpr std::string_view kTag = "kernel: ";
  if (text.size() < 16) return;
  const bool classic = text[3] == ' ' && text[9] == ':' && text[12] == ':' && digit(text[7]);
  const bool iso = digit(text[0]) && text[4] == '-' && text[7] == '-' && text[13] == ':';
  if (!classic && !iso) return;
  const std::size_t tag = text.substr(0, 160).find(kTag);
  if (tag != std::string_view::npos) text.remove_prefix(tag + kTag.size());
}

// A kernel line that begins behind a program's unfinished one: "login: [   12.345678] BUG: ...".
std::size_t stamp_inside(std::string_view text) {
  for (std::size_t at = text.find('['); at != std::string_view::npos; at = text.find('[', at + 1)) {
    if (stamp_length(text.substr(at)) != 0) return at;
  }
  return 0;
}

bool strip_stamp(Line& line) {
  std::string_view& text = line.text;
  std::size_t length = stamp_length(text);
  if (length != 0) {
    line.stamp = text.substr(1, length - 2);
    skip_spaces(line.stamp);
  } else {
    length = date_stamp_length(text);
  }
  if (length == 0) return false;
  text.remove_prefix(length);
  line.stamped = true;
  std::string_view rest = text;
  if (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  if (const std::size_t caller = caller_length(rest, line.caller); caller != 0) {
    text = rest.substr(caller);
  }
  if (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return true;
}

}  // namespace

Line read_line(std::string_view raw) {
  Line line{raw, {}, false};
  std::string_view& text = line.text;
  while (!text.empty() && (text.back() == '\r' || text.back() == '\n' || text.back() == ' ' ||
                           text.back() == '\t')) {
    text.remove_suffix(1);
  }
  while (!text.empty() && text.front() == '\r') text.remove_prefix(1);
  if (text.empty()) return line;
  if (digit(text.front()) && strip_kmsg(line)) return line;
  strip_syslog(text);
  text.remove_prefix(level_length(text));
  std::string_view unindented = text;
  skip_spaces(unindented);
  if (!unindented.empty() && unindented.front() == '[' && stamp_length(unindented) != 0) {
    text = unindented;
  }
  if (!strip_stamp(line)) {
    const std::size_t inside = stamp_inside(text);
    if (inside == 0) return line;
    text.remove_prefix(inside);
    strip_stamp(line);
  }
  text.remove_prefix(level_length(text));
  return line;
}

std::vector<std::string_view> unpasted(std::string_view raw) {
  constexpr std::size_t kEnough = 3;
  std::vector<std::size_t> stamps;
  // Shorter ones do not hold three lines, and most are.
  if (raw.size() > 80) {
    for (std::size_t at = raw.find('['); at != std::string_view::npos; at = raw.find('[', at + 1)) {
      if (stamp_length(raw.substr(at)) != 0) stamps.push_back(at);
    }
  }
  if (stamps.size() < kEnough) return {raw};
  std::vector<std::string_view> lines;
  std::size_t from = 0;
  for (const std::size_t stamp : stamps) {
    if (stamp > from) lines.push_back(raw.substr(from, stamp - from));
    from = stamp;
  }
  lines.push_back(raw.substr(from));
  return lines;
}

bool LineReader::next(std::string_view& line) {
  if (offset_ >= text_.size()) return false;
  const char* begin = text_.data() + offset_;
  const std::size_t left = text_.size() - offset_;
  const void* end = std::memchr(begin, '\n', left);
  const std::size_t length =
      end == nullptr ? left : static_cast<std::size_t>(static_cast<const char*>(end) - begin);
  line = text_.substr(offset_, length);
  offset_ += length + (end == nullptr ? 0 : 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return true;
}

bool has_kernel_stamp(std::string_view line) {
  return read_line(line).stamped;
}

std::string_view kernel_stamp(std::string_view line) {
  return read_line(line).stamp;
}

std::string_view strip_prefix(std::string_view line) {
  return read_line(line).text;
}

}  // namespace rig::oops
