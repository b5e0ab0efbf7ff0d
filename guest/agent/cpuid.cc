// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/cpuid.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "guest/agent/report.h"
#include "guest/agent/unique_fd.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

namespace rig::guest {

#ifdef __x86_64__
namespace {

// Basic leaves, a hypervisor's, the extended ones. The first of each names its last; a hypervisor's
// first is what a CPU without one answers with anything at all.
void append_leaves(std::string& text, unsigned first, unsigned most) {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  __cpuid(first, eax, ebx, ecx, edx);
  const unsigned last = eax >= first && eax - first < most ? eax : first;
  for (unsigned leaf = first; leaf <= last; ++leaf) {
    __cpuid_count(leaf, 0, eax, ebx, ecx, edx);
    char line[64];
    std::snprintf(line, sizeof(line), "%08x %08x %08x %08x %08x\n", leaf, eax, ebx, ecx, edx);
    text += line;
  }
}

}  // namespace

Done write_cpuid() {
  std::string text;
  append_leaves(text, 0, 0x20);
  append_leaves(text, 0x40000000, 0x10);
  append_leaves(text, 0x80000000, 0x20);
  const UniqueFd fd(open(kCpuidPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0444));
  if (!fd.valid()) return failure(errno, "create", kCpuidPath);
  const ssize_t written = write(fd.get(), text.data(), text.size());
  return written < 0 ? failure(errno, "write", kCpuidPath) : Done{};
}
#else
Done write_cpuid() {
  return {};
}
#endif

}  // namespace rig::guest
