// SPDX-License-Identifier: Apache-2.0
#include "oops/report_names.h"

#include <charconv>

#include "oops/report_lines.h"
#include "oops/report_pattern.h"

namespace rig::oops {

std::string name_addresses(std::string_view line, const AddressNames& names) {
  // " 0xffffffffc0a01234", " ? 0xffffffffc0a01234", "[<ffffffff8116616e>] 0xffffffff8116616d",
  // "[<ffffffff8116616e>]", "RIP: 0010:0xffffffffc0a01234", "pc : 0xffff80007a5c3044"
  static const Pattern kBare(
      R"(^(?:\s*(?:RIP: 0010:|E?IP: |NIP |pc : |lr : |PC is at |LR is at ))?\s*(?:\[<[0-9a-f]{8,16}>\] *)?(?:\? )?(?P<address>\[<[0-9a-f]{8,16}>\]|0x[0-9a-f]{8,16})\s*$)");
  const std::string_view text = read_line(line).text;
  if (text.size() < 10 || text.size() > 120) return std::string(line);
  Captures captures;
  if (!kBare.match(text, captures)) return std::string(line);
  const std::string_view found = captures["address"];
  std::string_view digits = found.substr(2);
  if (found.front() == '[') digits.remove_suffix(2);
  std::uint64_t address = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), address, 16);
  const auto name = names(address);
  if (!name) return std::string(line);
  // What is an old kernel's only address stays, as it would beside a name.
  const bool keeps = found.front() == '[';
  const auto at = static_cast<std::size_t>(found.data() - line.data());
  std::string named(line.substr(0, keeps ? at + found.size() : at));
  if (keeps) named += ' ';
  return named + *name;
}

}  // namespace rig::oops
