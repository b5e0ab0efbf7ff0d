// SPDX-License-Identifier: Apache-2.0
#include "guest/stress/disk_load.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

namespace rig::guest {
namespace {

constexpr std::size_t kBlockSize = 8192;
constexpr std::size_t kWords = kBlockSize / sizeof(std::uint64_t);
constexpr std::size_t kAlignment = 4096;  // O_DIRECT, whatever the disk's sector size

std::string first_line(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  char line[128] = "";
  if (!file || std::fgets(line, sizeof(line), file.get()) == nullptr) return {};
  std::string text = line;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

std::string find_disk(const std::string& vendor) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/sys/block"), closedir);
  if (!folder) return {};
  while (const dirent* entry = readdir(folder.get())) {
    const std::string name = entry->d_name;
    std::string node = "/dev/" + name;
    if (name.front() == '.' || first_line("/sys/block/" + name + "/device/vendor") != vendor)
      continue;
    if (access(node.c_str(), R_OK | W_OK) == 0) return node;
  }
  return {};
}

}  // namespace

std::string wait_for_disk(const std::string& vendor, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    std::string disk = find_disk(vendor);
    if (!disk.empty() || std::chrono::steady_clock::now() >= deadline) return disk;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

bool DiskWorker::open_disk() {
  fd_ = open(disk_.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
  if (fd_ < 0) return load_.fail_setup("open the disk", errno), false;
  const off_t size = lseek(fd_, 0, SEEK_END);
  blocks_ = size < 0 ? 0 : static_cast<std::uint64_t>(size) / kBlockSize / workers_;
  if (blocks_ == 0) return load_.fail_setup("the disk is too small", 0), false;
  first_block_ = blocks_ * index_;
  buffer_ = static_cast<std::uint64_t*>(std::aligned_alloc(kAlignment, kBlockSize));
  if (buffer_ == nullptr) return load_.fail_setup("no memory for a block", 0), false;
  return true;
}

bool DiskWorker::transfer(bool write, std::uint64_t block) {
  const off_t offset = static_cast<off_t>((first_block_ + block) * kBlockSize);
  const ssize_t done =
      write ? pwrite(fd_, buffer_, kBlockSize, offset) : pread(fd_, buffer_, kBlockSize, offset);
  if (done != static_cast<ssize_t>(kBlockSize)) {
    const int error = done < 0 ? errno : EIO;
    const char* what = write ? "write to the disk" : "read from the disk";
    // A disk that never did anything, for no worker, is no disk to use.
    const bool worked = load_.counters().writes.load() + load_.counters().reads.load() != 0;
    worked ? load_.fail(what, error) : load_.fail_setup(what, error);
    return false;
  }
  (write ? load_.counters().writes : load_.counters().reads).fetch_add(1);
  load_.count_work(1);
  return true;
}

// Every word tells where and when it was written, so that a stray or stale one is seen.
void DiskWorker::fill(std::uint64_t block, std::uint64_t generation) {
  for (std::size_t i = 0; i < kWords; ++i) {
    buffer_[i] = (generation << 40) ^ ((first_block_ + block) << 12) ^ i;
  }
}

bool DiskWorker::matches(std::uint64_t block, std::uint64_t generation) const {
  for (std::size_t i = 0; i < kWords; ++i) {
    if (buffer_[i] != ((generation << 40) ^ ((first_block_ + block) << 12) ^ i)) return false;
  }
  return true;
}

void DiskWorker::run() {
  if (!open_disk()) return;
  std::vector<std::uint32_t> generations(blocks_, 0);  // 0: not written yet
  while (!load_.stopping()) {
    const std::uint64_t block = random_.below(blocks_);
    std::uint32_t& generation = generations[block];
    const bool write = generation == 0 || random_.below(2) == 0;
    if (write) fill(block, ++generation);
    if (!transfer(write, block)) break;
    if (!write && !matches(block, generation)) {
      load_.fail("the disk returned other data than was written", 0);
      break;
    }
  }
  std::free(buffer_);
  close(fd_);
}

}  // namespace rig::guest
