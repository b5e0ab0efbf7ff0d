// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "guest/stress/load.h"

namespace rig::guest {

// Makes the kernel allocate and free objects of as many caches as a program without rights of its
// own over hardware can: processes, pipes, sockets, files, mappings, timers, namespaces. Each step
// gives back all that it took.
class StormWorker {
 public:
  // `program`: this one, for exec; called with kChildArgument it has to end at once.
  StormWorker(Load& load, std::string program, std::string folder, std::uint64_t seed)
      : load_(load), program_(std::move(program)), folder_(std::move(folder)), random_(seed) {}
  void run();

  static constexpr const char* kChildArgument = "--child";

 private:
  struct Step {
    const char* name;
    unsigned weight;  // how often, beside the others
    bool (StormWorker::*run)();
  };
  static const Step kSteps[];

  // False: data came back wrong. What the kernel refuses (no memory, no such feature) is no damage.
  bool processes();
  bool threads();
  bool pipes();
  bool unix_sockets();
  bool udp_sockets();
  bool tcp_sockets();
  bool files();
  bool folders();
  bool mappings();
  bool events();
  bool messages();
  bool proc_files();
  bool namespaces();
  bool shrink();

  std::string text(std::size_t size);
  std::string path(const char* name) const { return folder_ + "/" + name; }

  Load& load_;
  const std::string program_;
  const std::string folder_;  // of this worker alone
  Random random_;
};

}  // namespace rig::guest
