// SPDX-License-Identifier: Apache-2.0
// The rules of the judgement. To add one: a function in a *_rules.cc of this folder and one row in
// the table of rules.cc. A rule looks at the facts and adds what it finds, or evidence to what
// rules before it found: those stand nearer to the cause.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/findings.h"
#include "base/bytes.h"

namespace rig::analyzer {

struct Rule {
  std::string_view name;
  std::string_view asks;  // in words, for docs/FINDINGS.md
  void (*look)(const Findings& facts, std::vector<Finding>& found);
};

// In the order in which they are asked: from causes to consequences.
std::span<const Rule> all_rules();

// heap_rules.cc: what the audit of the slab caches found.
void look_at_heap(const Findings& facts, std::vector<Finding>& found);
// report_rules.cc: what a checker of the kernel (KASAN, KFENCE, SLUB, list debugging) reported.
void look_at_checkers(const Findings& facts, std::vector<Finding>& found);
void look_at_refused_free(const Findings& facts, std::vector<Finding>& found);
// fault_rules.cc: where the value came from that the kernel stumbled over.
void look_at_fault(const Findings& facts, std::vector<Finding>& found);
// context_rules.cc: what the CPU was in the middle of; what memory there was.
void look_at_context(const Findings& facts, std::vector<Finding>& found);
void look_at_memory(const Findings& facts, std::vector<Finding>& found);
// hang_rules.cc: which CPUs and tasks do not go on, and who keeps them from it.
void look_at_hang(const Findings& facts, std::vector<Finding>& found);
// report_rules.cc: what the kernel itself said, when nothing above explains it.
void look_at_report(const Findings& facts, std::vector<Finding>& found);

// The kind of a finding that only repeats what the kernel said.
inline constexpr std::string_view kUnexplained = "kernel-report";

// --- words.cc: how rules speak ---

// "lc_complete [late_completion]"
std::string function_words(const CodeLocation& at);
// "lc_complete [late_completion], on CPU 1, by pid 42, 0.3 s before the end"; empty without a
// track.
std::string track_words(const std::optional<ObjectTrack>& track);
// The function that had it allocated or freed: not the allocator's own. Empty: not known.
std::string culprit(const std::optional<ObjectTrack>& track);
// "06 01 00 00", at most some bytes
std::string some_bytes(ByteView bytes);
// "kmalloc-1k object 0xffff... +0x2c8"
std::string object_words(std::string_view cache, VirtAddr object, std::int64_t offset);

// The function that a report is about: "lc_complete [late_completion]"
std::string function_words(const oops::Report& report);
// Adds who had the object, the last one first: of a free one he, or who kept a pointer to it, is to
// blame for what was written there.
void add_owners(std::optional<bool> allocated, const std::optional<ObjectTrack>& alloc,
                const std::optional<ObjectTrack>& free, Finding& finding);
void add_owners(const SlabObject& object, Finding& finding);

// What was found so far about that object; null: nothing.
Finding* about(std::vector<Finding>& found, std::string_view cache, VirtAddr object);

}  // namespace rig::analyzer
