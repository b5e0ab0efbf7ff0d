// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "guest/stress/load.h"

namespace rig::guest {

// The device file of the first disk whose SCSI vendor is `vendor`; empty when none appears in time.
std::string wait_for_disk(const std::string& vendor, std::chrono::milliseconds timeout);

// Writes and reads one part of a disk past the page cache until the load stops, at most one request
// at a time, and checks all that it reads. Parts of different workers do not overlap.
class DiskWorker {
 public:
  DiskWorker(Load& load, const std::string& disk, unsigned index, unsigned workers)
      : load_(load), disk_(disk), index_(index), workers_(workers), random_(index + 1) {}
  void run();

 private:
  bool open_disk();
  bool transfer(bool write, std::uint64_t block);
  void fill(std::uint64_t block, std::uint64_t generation);
  bool matches(std::uint64_t block, std::uint64_t generation) const;

  Load& load_;
  std::string disk_;
  unsigned index_;
  unsigned workers_;
  Random random_;
  int fd_ = -1;
  std::uint64_t first_block_ = 0;
  std::uint64_t blocks_ = 0;
  std::uint64_t* buffer_ = nullptr;
};

}  // namespace rig::guest
