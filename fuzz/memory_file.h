// SPDX-License-Identifier: Apache-2.0
// A file that never meets a disk, to open as a core.
#pragma once

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "base/bytes.h"
#include "base/file.h"

namespace rig::fuzz {

class MemoryFile {
 public:
  explicit MemoryFile(ByteView bytes) : fd_(::memfd_create("core", MFD_CLOEXEC)) {
    if (::write(fd_.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      std::abort();  // the machine has no memory left: nothing that the input did
    }
  }
  fs::path path() const { return fmt::format("/proc/self/fd/{}", fd_.get()); }

 private:
  UniqueFd fd_;
};

}  // namespace rig::fuzz
