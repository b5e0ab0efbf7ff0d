// SPDX-License-Identifier: Apache-2.0
// A long-running program on the loop. It dies with us, whatever kills us, and with this object.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/confinement.h"
#include "base/process.h"
#include "vm/loop.h"

namespace rig::vm {

class Child {
 public:
  // `inherit`: descriptors that stay open in the program under the same numbers, beside 0, 1, 2.
  // Its stdin is /dev/null; stdout and stderr are kept (the end of them). The thread that calls
  // this must live as long as the program.
  static Result<std::unique_ptr<Child>> start(Loop& loop, const Command& command,
                                              std::vector<int> inherit,
                                              std::optional<Confinement> confinement = {});
  ~Child();  // kills it if need be, and reaps it

  pid_t pid() const;
  void kill();                       // SIGKILL; the end is seen by the loop
  bool alive() const;                // false once its end was seen and its output read
  std::string how_it_ended() const;  // "exited with code 1", "killed by signal 9 (Killed)"
  std::string output() const;        // the last few KB of stdout and stderr

  struct State;
  explicit Child(std::shared_ptr<State> state);

 private:
  std::shared_ptr<State> state_;
};

}  // namespace rig::vm
