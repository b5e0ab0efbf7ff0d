// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "analyzer/findings_parts.h"
#include "base/bytes.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kLine = 16;   // bytes of a line of hex dump
constexpr std::uint64_t kAround = 1;  // lines before and after the one that matters
constexpr std::size_t kMaxMarks = 4;  // suspicious words shown of one object

std::string dump_line(ByteView bytes, std::uint64_t offset) {
  std::string words, text;
  for (std::uint64_t at = offset; at < offset + kLine; at += 8) {
    const auto word = load<std::uint64_t>(bytes, at);
    words += word ? fmt::format(" {:016x}", *word) : std::string(17, ' ');
  }
  for (std::uint64_t at = offset; at < std::min<std::uint64_t>(offset + kLine, bytes.size());
       ++at) {
    const auto each = std::to_integer<unsigned char>(bytes[at]);
    text += each >= 0x20 && each < 0x7f ? static_cast<char>(each) : '.';
  }
  return fmt::format("    +{:#05x} {}  {}", offset, words, text);
}

// The address that the exception was about; 0 when there is none, or it says nothing.
std::uint64_t address_in_question(const Findings& findings) {
  return findings.exception ? findings.exception->address.value_or(0) : 0;
}

// Offsets of words of the object that hold that very address.
std::vector<std::uint64_t> holders(ByteView content, std::uint64_t address) {
  std::vector<std::uint64_t> found;
  if (address == 0) return found;
  for (std::uint64_t at = 0; at + 8 <= content.size() && found.size() < kMaxMarks; at += 8) {
    if (load<std::uint64_t>(content, at) == address) found.push_back(at);
  }
  return found;
}

void put_object(std::string& out, const PointerFacts& pointer, std::uint64_t address) {
  const SlabObject& object = *pointer.object;
  put(out, "  ",
      fmt::format("{} object {}, {} bytes, slot {} of slab {}", object.cache, object.address,
                  object.object_size, object.slot, object.slab));
  put(out, "    ",
      fmt::format("{}: {}",
                  !object.allocated   ? "allocated or free is not known"
                  : *object.allocated ? "allocated"
                                      : "free",
                  object.evidence));
  const auto content = ByteView(object.content);
  const auto marks = holders(content, address);
  std::vector<std::uint64_t> lines;
  const auto want = [&](std::uint64_t offset) {
    const auto middle = offset / kLine;
    for (auto line = middle - std::min(middle, kAround); line <= middle + kAround; ++line) {
      if (line * kLine < content.size()) lines.push_back(line * kLine);
    }
  };
  if (pointer.offset < content.size()) want(pointer.offset);
  for (const auto mark : marks) want(mark);
  std::ranges::sort(lines);
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0 && lines[i] != lines[i - 1] + kLine) out += "    ...\n";
    out += dump_line(content, lines[i]);
    for (const auto mark : marks) {
      if (mark / kLine * kLine == lines[i]) {
        out += fmt::format("  <- {:#x} at +{:#x}", address, mark);
      }
    }
    out += '\n';
  }
}

}  // namespace

void put_objects(std::string& out, const Findings& findings) {
  const auto address = address_in_question(findings);
  std::size_t shown = 0, left_out = 0;
  for (const PointerFacts& pointer : findings.pointers) {
    if (!pointer.object) continue;
    if (pointer.from.starts_with("stack") && holders(pointer.object->content, address).empty()) {
      ++left_out;
      continue;
    }
    out += shown++ == 0 ? "\nOBJECTS THEY LEAD TO\n" : "\n";
    put_object(out, pointer, address);
  }
  if (left_out > 0) {
    out += fmt::format("\n  {} more objects that only the stack leads to: see --json\n", left_out);
  }
}

}  // namespace rig::analyzer
