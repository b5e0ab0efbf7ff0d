// SPDX-License-Identifier: Apache-2.0
//
// The guest's end of a ReadRanges.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "guest/agent/unique_fd.h"
#include "guest/protocol.h"

namespace rig::guest {

class OutgoingRanges {
 public:
  // On failure `error` says why and the object is of no use.
  OutgoingRanges(std::uint32_t id, const ReadRanges& request, Done& error);
  OutgoingRanges(const OutgoingRanges&) = delete;
  ~OutgoingRanges() { unmap(); }

  std::uint32_t id() const { return id_; }
  // Once this is true, the last result of read_extent() is the request's.
  bool finished() const { return finished_; }
  // The next extent; an empty one when only zeros were met for a while, or at the end.
  Done read_extent(FileExtent& extent);

 private:
  bool next_range();
  Done map(std::uint64_t offset);
  void unmap();

  std::uint32_t id_;
  std::string path_;
  std::vector<std::uint64_t> ranges_;
  std::size_t next_ = 0;
  std::uint64_t at_ = 0, end_ = 0;  // of the range that is being read
  std::uint64_t size_ = 0;          // of the file
  UniqueFd fd_;
  const char* window_ = nullptr;  // of the file: reading /proc/vmcore maps and unmaps each page
  std::uint64_t window_begin_ = 0, window_size_ = 0;
  bool finished_ = false;
};

}  // namespace rig::guest
