// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "guest/stress/load.h"

namespace rig::guest {

// Files in one folder, each with content that its name and round tell, so that a stray or stale
// byte is seen. All of them fail the load where the kernel does not do as it is asked.
class FileWorker {
 public:
  // `seed` chooses sizes and the order of deletion. With `stay` one of so many files stays open, so
  // that its inode stays too, until remove_rest(); 0: none.
  FileWorker(Load& load, std::string folder, std::uint64_t seed, std::uint64_t stay)
      : load_(load), folder_(std::move(folder)), random_(seed), stay_(stay) {}
  ~FileWorker();
  FileWorker(const FileWorker&) = delete;
  FileWorker& operator=(const FileWorker&) = delete;

  bool create(std::uint64_t round, unsigned count);
  bool verify();  // all that were created and are still there
  bool remove();  // all but those that stay, in an order of its own
  bool remove_rest();

 private:
  struct File {
    std::uint64_t number;
    std::uint64_t round;
    std::uint64_t words;
    int fd = -1;  // of one that stays
  };
  std::string path(const File& file) const;
  bool remove(File& file);
  void fill(const File& file);
  bool matches(const File& file) const;

  Load& load_;
  const std::string folder_;
  Random random_;
  const std::uint64_t stay_;
  std::vector<File> files_;
  std::vector<std::uint64_t> buffer_;
};

}  // namespace rig::guest
