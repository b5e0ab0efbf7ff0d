// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "guest/stress/load.h"

namespace rig::guest {

// What a server sends: memory, or a file that is mapped.
class Reply {
 public:
  Reply() = default;
  ~Reply();
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  // The first bytes of `file`; without one, memory. Fails the load's set-up.
  bool set_up(Load& load, const std::string& file, std::size_t bytes);

  const char* data() const { return data_; }
  std::size_t size() const { return size_; }
  // A file's page in the middle has to be read anew: whoever sends the reply sleeps there.
  void forget();

 private:
  int fd_ = -1;
  std::string in_memory_;
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace rig::guest
