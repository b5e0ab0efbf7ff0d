// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/file_ranges.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "guest/agent/report.h"

namespace rig::guest {
namespace {

constexpr std::uint64_t kWindow = std::uint64_t{4} << 20;  // mapped at a time

bool is_zero(const char* bytes, std::uint64_t size) {
  static const char kZeros[kZeroBlock] = {};
  return size <= kZeroBlock && std::memcmp(bytes, kZeros, size) == 0;
}

// To the end of the block that `at` lies in.
std::uint64_t block_rest(std::uint64_t at, std::uint64_t end) {
  return std::min(kZeroBlock - at % kZeroBlock, end - at);
}

}  // namespace

OutgoingRanges::OutgoingRanges(std::uint32_t id, const ReadRanges& request, Done& error)
    : id_(id),
      path_(request.path),
      ranges_(request.ranges),
      fd_(open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {
  struct stat status {};
  if (!fd_.valid()) {
    error = failure(errno, "open", path_);
  } else if (fstat(fd_.get(), &status) != 0) {
    error = failure(errno, "stat", path_);
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
  for (std::size_t i = 0; i + 1 < ranges_.size(); i += 2) {
    // Mapped memory beyond the end of the file kills who touches it.
    const bool inside = ranges_[i] <= size_ && ranges_[i + 1] <= size_ - ranges_[i];
    if (!inside && !failed(error)) error = failure(ERANGE, "beyond the end of", path_);
  }
}

bool OutgoingRanges::next_range() {
  while (at_ == end_ && next_ + 1 < ranges_.size()) {
    at_ = ranges_[next_];
    end_ = at_ + ranges_[next_ + 1];
    next_ += 2;
  }
  return at_ < end_;
}

void OutgoingRanges::unmap() {
  if (window_ != nullptr) munmap(const_cast<char*>(window_), window_size_);
  window_ = nullptr;
}

Done OutgoingRanges::map(std::uint64_t offset) {
  if (window_ != nullptr && offset >= window_begin_ && offset - window_begin_ < window_size_) {
    return {};
  }
  unmap();
  // Windows do not depend on where ranges begin: those of neighbours use the same.
  window_begin_ = offset / kWindow * kWindow;
  window_size_ = std::min(kWindow, size_ - window_begin_);
  void* const window = mmap(nullptr, window_size_, PROT_READ, MAP_PRIVATE, fd_.get(),
                            static_cast<off_t>(window_begin_));
  if (window == MAP_FAILED) return failure(errno, "mmap", path_);
  window_ = static_cast<const char*>(window);
  return {};
}

Done OutgoingRanges::read_extent(FileExtent& extent) {
  if (!next_range()) {
    finished_ = true;
    return {};
  }
  if (const Done done = map(at_); failed(done)) {
    finished_ = true;
    return done;
  }
  const std::uint64_t end = std::min(end_, window_begin_ + window_size_);
  const auto zeros_at = [&](std::uint64_t at) {
    return is_zero(window_ + (at - window_begin_), block_rest(at, end));
  };
  while (at_ < end && zeros_at(at_)) at_ += block_rest(at_, end);
  extent.offset = at_;
  while (at_ < end && at_ - extent.offset + kZeroBlock <= kMaxChunk && !zeros_at(at_)) {
    at_ += block_rest(at_, end);
  }
  extent.bytes.assign(window_ + (extent.offset - window_begin_), at_ - extent.offset);
  return {};
}

}  // namespace rig::guest
