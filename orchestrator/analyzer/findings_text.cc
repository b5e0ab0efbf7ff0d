// SPDX-License-Identifier: Apache-2.0
// Findings for people: what happened first, then the evidence. At most 100 columns.
#include <algorithm>

#include "analyzer/analyzer.h"
#include "analyzer/symbols/kernel.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::uint64_t kLine = 16;   // bytes of a line of hex dump
constexpr std::uint64_t kAround = 1;  // lines before and after the one that matters
constexpr std::size_t kMaxMarks = 4;  // suspicious words shown of one object
constexpr std::ptrdiff_t kFewFrames = 3;
constexpr std::size_t kMaxFrames = 32;

// `text` after a prefix, broken at spaces; further lines begin below the text. The guest chooses
// comm names and log text: nothing of it may steer the terminal.
void put(std::string& out, std::string_view before, std::string_view text) {
  const std::string clean = printable(text);
  std::string_view rest = clean;
  std::string prefix(before);
  const std::size_t room = kWidth - prefix.size();
  while (!rest.empty()) {
    std::size_t length = rest.size();
    if (length > room) {
      const auto space = rest.rfind(' ', room);
      length = space == std::string_view::npos || space == 0 ? room : space;
    }
    out += prefix;
    out += rest.substr(0, length);
    out += '\n';
    rest.remove_prefix(length);
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    prefix = std::string(prefix.size(), ' ');
  }
}

void put_labelled(std::string& out, std::string_view label, std::string_view text) {
  put(out, fmt::format("{:<11}", label), text);
}

std::string with_commas(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return text;
}

std::string who(const std::string& comm, const std::optional<std::uint64_t>& pid) {
  if (!pid) return comm.empty() ? "an unknown task" : comm;
  return fmt::format("{} (pid {})", comm, *pid);
}

void put_head(std::string& out, const CoreFacts& core) {
  put_labelled(out, "core", core.path);
  put_labelled(out, "",
               fmt::format("{}, {} for {} of guest memory", core.format,
                           human_bytes(core.file_bytes), human_bytes(core.memory_bytes)));
  std::string kernel = core.release.empty() ? "unknown release" : core.release;
  kernel += fmt::format(", {}", to_string(core.arch));
  if (core.paging_levels) kernel += fmt::format(", {}-level paging", *core.paging_levels);
  if (core.kaslr_offset) {
    kernel += *core.kaslr_offset == 0 ? ", no KASLR"
                                      : fmt::format(", KASLR offset {:#x}", *core.kaslr_offset);
  }
  put_labelled(out, "kernel", kernel);
  put_labelled(out, "", core.version);
  put_labelled(out, "read",
               fmt::format("{} symbols and {} types, all from the core itself; VMCOREINFO: {}",
                           with_commas(core.symbols), with_commas(core.types), core.vmcoreinfo));
}

// One line that says it all.
std::string summary(const Findings& findings) {
  if (const auto report = oops::cause(findings.reports)) {
    std::string text = report->title.empty() ? report->kind : report->title;
    if (report->address) text += fmt::format(", address {:#x}", *report->address);
    if (findings.reports.size() > 1) {
      text += fmt::format(" (and {} more in the log)", findings.reports.size() - 1);
    }
    return text;
  }
  if (findings.panic) return "panic without a report: " + *findings.panic;
  if (!findings.reports.empty()) {
    return fmt::format("no crash: the kernel survived what it reported ({})",
                       findings.reports.front().title);
  }
  return "no crash: neither a report nor a panic is in the kernel's log";
}

void put_registers(std::string& out, const std::vector<RegisterValue>& registers) {
  constexpr std::size_t kPerLine = 4;
  for (std::size_t i = 0; i < registers.size(); ++i) {
    out += i % kPerLine == 0 ? "           " : "  ";
    out += fmt::format("{:>3} {:016x}", registers[i].name, registers[i].value);
    if (i % kPerLine == kPerLine - 1 || i + 1 == registers.size()) out += '\n';
  }
}

void put_exception(std::string& out, const ExceptionFacts& exception) {
  out += '\n';
  put_labelled(out, "EXCEPTION",
               fmt::format("on CPU {} in {}", exception.cpu, who(exception.comm, exception.pid)));
  if (exception.at) put_labelled(out, "  at", to_string(*exception.at));
  if (exception.address) {
    auto text = fmt::format("{:#x}", *exception.address);
    if (exception.error_code) text += fmt::format(", error code {:#x}", *exception.error_code);
    put_labelled(out, "  address", text);
  }
  put_registers(out, exception.registers);
  put_labelled(out, "  source", exception.source);
}

void put_frame(std::string& out, const oops::Frame& frame) {
  const auto module = frame.module.empty() ? "" : fmt::format(" [{}]", frame.module);
  out += fmt::format("         {} {}+{:#x}/{:#x}{}\n", frame.reliable ? ' ' : '?',
                     printable(frame.function), frame.offset, frame.size, printable(module));
}

// The frames that the kernel was sure of; the others are stale words of the stack more often than
// callers. All of them when too few are sure to tell a story.
void put_trace(std::string& out, const std::vector<oops::Report>& reports) {
  const auto report = oops::cause(reports);
  if (!report || report->frames.empty()) return;
  const std::vector<oops::Frame>& frames = report->frames;
  const auto sure = std::ranges::count_if(frames, &oops::Frame::reliable);
  const bool all = sure < kFewFrames;
  out += "\nCALL TRACE, from the kernel's log\n";
  std::size_t shown = 0;
  std::size_t left = 0;
  for (const oops::Frame& frame : frames) {
    if ((all || frame.reliable) && shown < kMaxFrames) {
      put_frame(out, frame);
      ++shown;
    } else {
      ++left;
    }
  }
  if (left != 0) out += fmt::format("           {} more, unsure or far out: see --json\n", left);
}

void put_cpus(std::string& out, const std::vector<CpuFacts>& cpus) {
  if (cpus.empty()) return;
  out += "\nCPUS\n";
  for (const CpuFacts& cpu : cpus) {
    out +=
        fmt::format("  {} {:>3}    {:<28} {}\n", cpu.panicking ? '*' : ' ', cpu.index,
                    printable(who(cpu.comm, cpu.pid)), cpu.at ? printable(to_string(*cpu.at)) : "");
  }
  if (std::ranges::any_of(cpus, &CpuFacts::panicking)) out += "  * panicked\n";
}

void put_pointers(std::string& out, const std::vector<PointerFacts>& pointers) {
  if (pointers.empty()) return;
  out += "\nWHERE REGISTERS AND STACK LEAD\n";
  for (const PointerFacts& each : pointers) {
    const auto name = each.from.starts_with("register ") ? each.from.substr(9) : each.from;
    put(out, fmt::format("  {:<13} {:016x}  ", name, raw(each.value)), each.what);
  }
}

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

// Objects that registers lead to are shown; of those that only the stack leads to, the ones that
// hold the address in question. JSON has all of them.
void put_objects(std::string& out, const Findings& findings) {
  const auto address = address_in_question(findings);
  std::size_t shown = 0, left_out = 0;
  for (const PointerFacts& pointer : findings.pointers) {
    if (!pointer.object) continue;
    if (!pointer.from.starts_with("register") &&
        holders(pointer.object->content, address).empty()) {
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

}  // namespace

std::string to_text(const Findings& findings) {
  std::string out;
  put_labelled(out, "crash", summary(findings));
  if (findings.panic) put_labelled(out, "panic", *findings.panic);
  put_head(out, findings.core);
  if (findings.exception) put_exception(out, *findings.exception);
  put_trace(out, findings.reports);
  put_cpus(out, findings.cpus);
  put_pointers(out, findings.pointers);

  put_objects(out, findings);
  if (!findings.remarks.empty()) out += "\nREMARKS\n";
  for (const std::string& remark : findings.remarks) put(out, "  - ", remark);
  out += fmt::format("\nanalyzed in {}\n", human_seconds(findings.seconds));
  return out;
}

}  // namespace rig::analyzer
