// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/current_owner.h"

#include <algorithm>
#include <set>

#include "analyzer/core/limits.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr unsigned kStackWords = 512;  // looked through for pointers to packets
constexpr std::size_t kShownText = 48;
constexpr std::size_t kLeastText = 24;
constexpr std::uint64_t kMostFragments = 64;  // MAX_SKB_FRAGS is 17, configurable up to 45

struct NamedPointer {
  std::string from;
  std::uint64_t value = 0;
};

// The registers and the stack at the exception, and those of all CPUs.
std::vector<NamedPointer> pointers_at_hand(Session& session, const Kernel& kernel) {
  std::vector<NamedPointer> pointers;
  const auto add_stack = [&](VirtAddr sp) {
    const auto bytes = kernel.memory().read_up_to(sp, kStackWords * 8);
    for (std::uint64_t at = 0; at + 8 <= bytes.size(); at += 8) {
      pointers.push_back(
          {fmt::format("the stack at {}", sp + at), load<std::uint64_t>(bytes, at).value_or(0)});
    }
  };
  if (const auto& exception = session.exception()) {
    for (const RegisterValue& each : exception->facts.registers) {
      pointers.push_back({each.name, each.value});
    }
    add_stack(exception->sp);
  }
  for (const CpuSnapshot& cpu : session.cpus()) {
    for (const RegisterValue& each : cpu.state.registers) {
      pointers.push_back({fmt::format("{} of CPU {}", each.name, cpu.number), each.value});
    }
    if (!cpu.state.user_mode) add_stack(cpu.state.sp);
  }
  return pointers;
}

// What whoever fills a packet writes: up to its tail, and the part of skb_shared_info before its
// array of fragments, and those in use (include/linux/skbuff.h).
std::vector<CurrentOwner::Range> written_by_packet(const Kernel& kernel, VirtAddr buffer,
                                                   ByteView content) {
  std::vector<CurrentOwner::Range> ranges;
  const auto tail = kernel.field(buffer, "sk_buff.tail"), end = kernel.field(buffer, "sk_buff.end");
  const auto count = kernel.member("skb_shared_info.nr_frags");
  const auto frags = kernel.member("skb_shared_info.frags");
  if (tail && *tail <= content.size()) ranges.push_back({0, *tail});
  if (!end || !count || !frags || *end >= content.size()) return ranges;
  const auto used = load<std::uint8_t>(content, *end + count->offset).value_or(0);
  const auto each = frags->size / std::max<std::uint64_t>(frags->elements.value_or(1), 1);
  ranges.push_back({*end, frags->offset + std::min<std::uint64_t>(used, kMostFragments) * each});
  return ranges;
}

bool find_text(const SlabObject& object, CurrentOwner& owner) {
  const auto text = load_c_string(object.content, 0);
  if (!text || text->size() < kLeastText || printable(*text) != *text) return false;
  owner.words = fmt::format("text: \"{}{}\"", text->substr(0, kShownText),
                            text->size() > kShownText ? "…" : "");
  return true;
}

}  // namespace

// Packets come from skbuff_head_cache, in pairs from skbuff_fclone_cache.
const std::map<std::uint64_t, CurrentOwners::Packet>& CurrentOwners::packets() {
  if (packets_) return *packets_;
  packets_.emplace();
  const auto head = kernel_.member("sk_buff.head");
  if (!head) return *packets_;
  std::set<std::uint64_t> seen;
  for (const NamedPointer& each : pointers_at_hand(session_, kernel_)) {
    if (each.value % 8 != 0 || each.value < kKernelHalf || !seen.insert(each.value).second)
      continue;
    const VirtAddr at{each.value};
    const auto place = slabs_.slab_at(at);
    if (!place || !place->slab.cache.name.starts_with("skbuff_")) continue;
    const auto data = kernel_.memory().load<std::uint64_t>(at + head->offset);
    if (data && *data != 0) packets_->try_emplace(*data, Packet{at, each.from});
  }
  return *packets_;
}

CurrentOwner CurrentOwners::find(const SlabObject& object, std::uint64_t free_pointer) {
  CurrentOwner owner;
  if (object.allocated == false) {
    owner.words = "free: " + object.evidence;
    owner.written.push_back({free_pointer, sizeof(std::uint64_t)});
    owner.other = true;
    return owner;
  }
  const auto packet = packets().find(raw(object.address));
  if (packet != packets().end()) {
    owner.words = fmt::format("the head of a packet: {} leads to its sk_buff {}",
                              packet->second.from, packet->second.buffer);
    owner.written = written_by_packet(kernel_, packet->second.buffer, object.content);
    owner.other = true;
    return owner;
  }
  find_text(object, owner);
  return owner;
}

}  // namespace rig::analyzer
