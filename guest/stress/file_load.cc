// SPDX-License-Identifier: Apache-2.0
#include "guest/stress/file_load.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace rig::guest {
namespace {

constexpr std::uint64_t kMostWords = 1024;  // 8 KiB: two blocks

std::uint64_t word_of(std::uint64_t number, std::uint64_t round, std::uint64_t index) {
  return Random(number << 40 ^ round << 20 ^ index).next();
}

}  // namespace

std::string FileWorker::path(const File& file) const {
  return folder_ + "/file-" + std::to_string(file.number);
}

void FileWorker::fill(const File& file) {
  buffer_.resize(file.words);
  for (std::uint64_t i = 0; i < file.words; ++i) buffer_[i] = word_of(file.number, file.round, i);
}

bool FileWorker::matches(const File& file) const {
  for (std::uint64_t i = 0; i < file.words; ++i) {
    if (buffer_[i] != word_of(file.number, file.round, i)) return false;
  }
  return true;
}

FileWorker::~FileWorker() {
  for (const File& file : files_) {
    if (file.fd >= 0) close(file.fd);
  }
}

bool FileWorker::create(std::uint64_t round, unsigned count) {
  for (unsigned i = 0; i < count && !load_.stopping(); ++i) {
    files_.push_back({i, round, 1 + random_.below(kMostWords)});
    File& file = files_.back();
    const int fd = open(path(file).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return load_.fail("create a file", errno), false;
    fill(file);
    const auto bytes = static_cast<ssize_t>(file.words * sizeof(std::uint64_t));
    const ssize_t done = write(fd, buffer_.data(), static_cast<std::size_t>(bytes));
    const int error = done < 0 ? errno : ENOSPC;
    if (stay_ != 0 && i % stay_ == 0) {
      file.fd = fd;
    } else {
      close(fd);
    }
    if (done != bytes) return load_.fail("write a file", error), false;
    load_.counters().writes.fetch_add(1);
    load_.count_work(1);
  }
  return !load_.stopping();
}

bool FileWorker::verify() {
  for (const File& file : files_) {
    if (load_.stopping()) return false;
    const int fd = open(path(file).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return load_.fail("open a file", errno), false;
    buffer_.assign(kMostWords, 0);
    const ssize_t done = read(fd, buffer_.data(), kMostWords * sizeof(std::uint64_t));
    const int error = done < 0 ? errno : 0;
    close(fd);
    if (done != static_cast<ssize_t>(file.words * sizeof(std::uint64_t))) {
      return load_.fail("read a file", error), false;
    }
    if (!matches(file)) return load_.fail("a file has other content than was written", 0), false;
    load_.counters().reads.fetch_add(1);
    load_.count_work(1);
  }
  return true;
}

bool FileWorker::remove(File& file) {
  if (load_.stopping()) return false;
  if (unlink(path(file).c_str()) != 0) return load_.fail("delete a file", errno), false;
  if (file.fd >= 0) close(std::exchange(file.fd, -1));
  load_.count_work(1);
  return true;
}

bool FileWorker::remove() {
  for (std::size_t left = files_.size(); left > 1; --left) {
    std::swap(files_[left - 1], files_[random_.below(left)]);
  }
  std::vector<File> rest;
  for (File& file : files_) {
    if (file.fd >= 0) {
      rest.push_back(file);
    } else if (!remove(file)) {
      return false;
    }
  }
  files_ = std::move(rest);
  return true;
}

bool FileWorker::remove_rest() {
  for (File& file : files_) {
    if (!remove(file)) return false;
  }
  files_.clear();
  return true;
}

}  // namespace rig::guest
