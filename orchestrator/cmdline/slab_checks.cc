// SPDX-License-Identifier: Apache-2.0
// slub_debug= and slab_nomerge, seen in /proc/slabinfo and /sys/kernel/slab/CACHE/.
#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "cmdline/row.h"

namespace rig::cmdline {
namespace {

constexpr std::size_t kMostCaches = 2000;  // Debian's kernels have some 150

struct Flag {
  char letter;
  const char* file;
};
// parse_slub_debug_flags() and the SLAB_ATTRs of mm/slub.c.
constexpr Flag kFlags[] = {{'f', "sanity_checks"}, {'z', "red_zone"}, {'p', "poison"},
                           {'u', "store_user"},    {'t', "trace"},    {'a', "failslab"}};
constexpr std::string_view kDefaultFlags = "fzpu";

// One of the blocks that ';' separates: "PU,kmalloc-32,dentry". No caches: all of them.
struct Block {
  std::string flags;  // lower case
  std::vector<std::string> caches;
};

std::vector<Block> parse_blocks(const Parameter& parameter) {
  std::vector<Block> blocks;
  for (const std::string& text : split(parameter.value_or_empty(), ';')) {
    if (text.empty()) continue;
    const auto words = split(text, ',');
    Block block;
    block.flags = words[0];
    std::transform(block.flags.begin(), block.flags.end(), block.flags.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (block.flags.empty()) block.flags = kDefaultFlags;
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (!words[i].empty()) block.caches.push_back(words[i]);
    }
    blocks.push_back(std::move(block));
  }
  if (blocks.empty()) blocks.push_back({std::string(kDefaultFlags), {}});
  return blocks;
}

std::vector<std::string> all_caches(Evidence& evidence) {
  std::vector<std::string> names;
  const auto slabinfo = evidence.file("/proc/slabinfo");
  if (!slabinfo) return names;
  for (const std::string& line : split(*slabinfo, '\n')) {
    if (line.empty() || line.starts_with("slabinfo") || line.starts_with('#')) continue;
    names.push_back(line.substr(0, line.find(' ')));
    if (names.size() == kMostCaches) break;
  }
  return names;
}

// As kmem_cache_flags() matches: what comes before a '*' begins the name.
bool matches(std::string_view pattern, std::string_view cache) {
  const std::size_t star = pattern.find('*');
  return star == std::string_view::npos ? pattern == cache
                                        : cache.starts_with(pattern.substr(0, star));
}

bool is_listed(const std::vector<Block>& blocks, std::string_view cache) {
  return std::any_of(blocks.begin(), blocks.end(), [&](const Block& block) {
    return std::any_of(block.caches.begin(), block.caches.end(),
                       [&](const std::string& pattern) { return matches(pattern, cache); });
  });
}

// The caches to look at for a block. Of a block for all, kmalloc's: others may have been made with
// flags that refuse some of the debugging (SLAB_NO_USER_FLAGS, SLAB_NOLEAKTRACE).
std::vector<std::string> caches_of(const Block& block, const std::vector<Block>& blocks,
                                   Evidence& evidence) {
  std::vector<std::string> names;
  for (std::string& cache : all_caches(evidence)) {
    const bool taken = block.caches.empty()
                           ? cache.starts_with("kmalloc-") && !is_listed(blocks, cache)
                           : is_listed({block}, cache);
    if (taken) names.push_back(std::move(cache));
  }
  return names;
}

bool is_set(const std::string& cache, const char* file, Evidence& evidence) {
  const auto shown = evidence.file(fmt::format("/sys/kernel/slab/{}/{}", cache, file));
  return shown && trim(*shown) == "1";
}

Answer check_block(const Block& block, const std::vector<Block>& blocks, Evidence& evidence) {
  const auto caches = caches_of(block, blocks, evidence);
  if (caches.empty()) {
    return ineffective(
        block.caches.empty()
            ? "/proc/slabinfo has no kmalloc caches"
            : fmt::format("no cache is called {} (/proc/slabinfo)",
                          printable(fmt::format("{}", fmt::join(block.caches, ", ")))));
  }
  const bool off = block.flags.find('-') != std::string::npos;
  // 'o' leaves out the caches whose slabs would become larger.
  const bool some_do = block.flags.find('o') != std::string::npos;
  std::string names;
  for (const Flag& flag : kFlags) {
    const bool asked = off ? kDefaultFlags.find(flag.letter) != std::string_view::npos
                           : block.flags.find(flag.letter) != std::string::npos;
    if (!asked) continue;
    const auto set = std::count_if(caches.begin(), caches.end(), [&](const std::string& cache) {
      return is_set(cache, flag.file, evidence);
    });
    const auto all = static_cast<std::ptrdiff_t>(caches.size());
    if (off ? set != 0 : some_do ? set == 0 : set != all) {
      return ineffective(fmt::format("{} is 1 in {} of {} caches (/sys/kernel/slab/{}/{})",
                                     flag.file, set, all, printable(caches[0]), flag.file));
    }
    names += fmt::format("{}{}", names.empty() ? "" : ", ", flag.file);
  }
  if (names.empty()) return ineffective("it has no flag of F, Z, P, U, T, A");
  const std::string where =
      caches.size() == 1 ? printable(caches[0])
                         : fmt::format("{} caches such as {}", caches.size(), printable(caches[0]));
  return effective(fmt::format("{} {} {} in {} (/sys/kernel/slab)", names,
                               names.find(',') == std::string::npos ? "is" : "are", off ? 0 : 1,
                               where));
}

Answer check_slub_debug(const Parameter& parameter, Evidence& evidence) {
  const auto blocks = parse_blocks(parameter);
  std::string how;
  for (const Block& block : blocks) {
    const std::size_t odd = block.flags.find_first_not_of("fzputao-");
    if (odd != std::string::npos) {
      return ineffective(printable(
          fmt::format("slub_debug has no flag '{}': F, Z, P, U, T, A, O or -", block.flags[odd])));
    }
    Answer answer = check_block(block, blocks, evidence);
    if (answer.state != State::kEffective) return answer;
    how += (how.empty() ? "" : "; ") + answer.how;
  }
  return effective(how);
}

// A cache that serves for others as well counts them (aliases_show() in mm/slub.c).
Answer check_nomerge(const Parameter&, Evidence& evidence) {
  const auto caches = all_caches(evidence);
  std::size_t looked_at = 0;
  for (const std::string& cache : caches) {
    const auto shown = evidence.file(fmt::format("/sys/kernel/slab/{}/aliases", cache));
    if (!shown) continue;
    ++looked_at;
    const auto aliases = parse_u64(trim(*shown));
    if (aliases && *aliases == 0) continue;
    return ineffective(
        printable(fmt::format("the cache {} serves for others as well "
                              "(/sys/kernel/slab/{}/aliases is {})",
                              cache, cache, trim(*shown))));
  }
  if (looked_at == 0) return not_checkable("there are no /sys/kernel/slab/*/aliases");
  return effective(
      fmt::format("none of {} caches serves for another (/sys/kernel/slab/*/aliases)", looked_at));
}

constexpr Row kSlabRows[] = {
    {.name = "slab_nomerge", .check = check_nomerge},
    {.name = "slub_debug", .check = check_slub_debug},
    {.name = "slub_nomerge", .check = check_nomerge},
};

}  // namespace

std::span<const Row> slab_rows() {
  return kSlabRows;
}

}  // namespace rig::cmdline
