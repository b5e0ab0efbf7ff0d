// SPDX-License-Identifier: Apache-2.0
#include "guest/stress/memory_load.h"

#include <sys/mman.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

namespace rig::guest {
namespace {

constexpr std::size_t kStep = std::size_t{1} << 20;
// Where less than this part is free: kswapd has to keep up, or the kernel kills somebody.
constexpr std::uint64_t kNearPart = 8;
constexpr std::size_t kSmallStep = std::size_t{64} << 10;
// Whether the kernel has begun to reclaim or not: at its lowest watermark, of some 2 %, it kills.
constexpr std::uint64_t kLeastPercent = 4;

// The number in the line of a file of /proc that begins with `name`.
std::optional<std::uint64_t> read_row(const char* path, const std::string& name) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path, "re"), std::fclose);
  char line[128];
  while (file && std::fgets(line, sizeof(line), file.get()) != nullptr) {
    std::uint64_t value = 0;
    if (std::strncmp(line, name.c_str(), name.size()) != 0) continue;
    if (std::sscanf(line + name.size(), " %" SCNu64, &value) == 1) return value;
  }
  return std::nullopt;
}

}  // namespace

bool MemoryHog::take(std::size_t bytes) {
  void* start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (start == MAP_FAILED) return load_.fail_setup("no more memory", errno), false;
  mappings_.push_back({start, bytes});
  return true;
}

bool MemoryHog::take_all_but(unsigned percent) {
  const auto total = read_row("/proc/meminfo", "MemTotal:");
  const auto before = read_row("/proc/vmstat", "slabs_scanned");
  while (!load_.stopping()) {
    const auto free = read_row("/proc/meminfo", "MemFree:");
    const auto now = read_row("/proc/vmstat", "slabs_scanned");
    if (!total || !free) return load_.fail_setup("/proc does not tell about memory", 0), false;
    // Without CONFIG_VM_EVENT_COUNTERS a kernel does not tell: then what is left has to do.
    const bool reclaims = !now || now != before;
    if (reclaims && *free * 100 < *total * percent) return true;
    if (*free * 100 < *total * kLeastPercent) return true;
    if (!take(*free * kNearPart > *total ? kStep : kSmallStep)) return false;
  }
  return false;
}

void MemoryHog::release() {
  for (const Mapping& mapping : mappings_) munmap(mapping.start, mapping.bytes);
  mappings_.clear();
}

}  // namespace rig::guest
