// SPDX-License-Identifier: Apache-2.0
#include "guest/stress/load.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "guest/protocol.h"

namespace rig::guest {

Load::Load() {
  const char* number = std::getenv(kWorkFdVariable);
  if (number == nullptr) return;
  void* page =
      mmap(nullptr, kWorkPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, std::atoi(number), 0);
  static_assert(sizeof(*work_) == sizeof(std::uint64_t));
  if (page != MAP_FAILED) work_ = static_cast<std::atomic<std::uint64_t>*>(page);
}

void Load::fail(const char* what, int error) {
  if (!failed_.exchange(true)) {
    std::fprintf(stderr, "io_and_net: %s%s%s\n", what, error != 0 ? ": " : "",
                 error != 0 ? std::strerror(error) : "");
  }
  stop();
}

}  // namespace rig::guest
