// SPDX-License-Identifier: Apache-2.0
#include "analyzer/core/split_core.h"

#include <algorithm>

#include "analyzer/core/kdump_memory.h"

namespace rig::analyzer {
namespace {

using Part = std::shared_ptr<const KdumpMemory>;

class SplitMemory final : public DumpMemory {
 public:
  explicit SplitMemory(std::vector<Part> parts) : parts_(std::move(parts)) {}

  Read<void> read(PhysAddr address, MutableBytes out) const override {
    std::uint64_t at = raw(address);
    while (!out.empty()) {
      const KdumpMemory& part = part_of(at);
      const std::uint64_t end = raw(part.part_end());
      const std::size_t count =
          at < end ? std::min<std::uint64_t>(out.size(), end - at) : out.size();
      if (auto got = part.read(PhysAddr{at}, out.first(count)); !got) return got;
      out = out.subspan(count);
      at += count;
    }
    return {};
  }

  std::vector<PhysRange> ranges() const override { return parts_.front()->ranges(); }
  std::vector<PhysRange> stored() const override {
    std::vector<PhysRange> all;
    for (const Part& part : parts_) {
      const auto more = part->stored();
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }

 private:
  // The last part that begins at or before `at`; what it does not have it says is in another.
  const KdumpMemory& part_of(std::uint64_t at) const {
    const auto after = std::upper_bound(
        parts_.begin(), parts_.end(), at,
        [](std::uint64_t a, const Part& part) { return a < raw(part->part_begin()); });
    return after == parts_.begin() ? **after : **std::prev(after);
  }

  std::vector<Part> parts_;  // ascending, not overlapping, at least one
};

bool begins_before(const NamedContainer& a, const NamedContainer& b) {
  return raw(a.container.part->part_begin()) < raw(b.container.part->part_begin());
}

Status check(const NamedContainer& first, const NamedContainer& other) {
  if (other.container.arch != first.container.arch ||
      !other.container.part->same_dump(*first.container.part) ||
      (other.container.notes.vmcoreinfo && first.container.notes.vmcoreinfo &&
       other.container.notes.vmcoreinfo != first.container.notes.vmcoreinfo)) {
    return fail_hint(Blame::kInput, "give the files of one makedumpfile --split",
                     "{} and {} are parts of different dumps", first.name, other.name);
  }
  return {};
}

Status check_order(const std::vector<NamedContainer>& parts) {
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const KdumpMemory& before = *parts[i - 1].container.part;
    const KdumpMemory& part = *parts[i].container.part;
    if (part.part_begin() == before.part_begin() && part.part_end() == before.part_end()) {
      return fail_hint(Blame::kInput, "give each part once", "{} and {} are the same part",
                       parts[i - 1].name, parts[i].name);
    }
    if (raw(part.part_begin()) < raw(before.part_end())) {
      return fail(Blame::kInput, "{} and {} both claim the memory from {:#x}", parts[i - 1].name,
                  parts[i].name, raw(part.part_begin()));
    }
  }
  return {};
}

void remark_gaps(const std::vector<NamedContainer>& parts, std::vector<std::string>& remarks) {
  const auto missing = [&](std::uint64_t begin, std::uint64_t end, std::size_t number) {
    if (begin >= end || parts.front().container.part->stored_pages(begin, end) == 0) return;
    remarks.push_back(
        fmt::format("part {} of the split dump is missing: it has the memory from {:#x} to {:#x}",
                    number, begin, end));
  };
  std::uint64_t at = 0;
  std::size_t number = 1;
  for (const NamedContainer& each : parts) {
    const KdumpMemory& part = *each.container.part;
    const std::size_t before = remarks.size();
    missing(at, raw(part.part_begin()), number);
    number += 1 + (remarks.size() - before);
    at = raw(part.part_end());
  }
  missing(at, raw(parts.front().container.part->end()), number);
}

}  // namespace

Result<Container> join_parts(std::vector<NamedContainer> parts) {
  for (const NamedContainer& each : parts) {
    if (each.container.part != nullptr) continue;
    return fail_hint(Blame::kInput, "give one core, or all parts of one split dump",
                     "{} is not a part of a split dump", each.name);
  }
  std::stable_sort(parts.begin(), parts.end(), begins_before);
  for (const NamedContainer& each : parts) RIG_TRY(check(parts.front(), each));
  RIG_TRY(check_order(parts));

  Container whole;
  whole.arch = parts.front().container.arch;
  whole.format = parts.front().container.format;
  if (parts.size() > 1) whole.format += fmt::format(", {} parts", parts.size());
  std::vector<Part> memories;
  for (NamedContainer& each : parts) {
    memories.push_back(each.container.part);
    Notes& notes = each.container.notes;
    if (whole.notes.cpus.empty()) whole.notes.cpus = std::move(notes.cpus);
    if (!whole.notes.vmcoreinfo) whole.notes.vmcoreinfo = std::move(notes.vmcoreinfo);
    for (auto* remarks : {&each.container.remarks, &notes.remarks}) {
      for (std::string& remark : *remarks) {
        const auto known = std::find(whole.remarks.begin(), whole.remarks.end(), remark);
        if (known == whole.remarks.end()) whole.remarks.push_back(std::move(remark));
      }
    }
  }
  remark_gaps(parts, whole.remarks);
  whole.memory = std::make_shared<SplitMemory>(std::move(memories));
  return whole;
}

}  // namespace rig::analyzer
