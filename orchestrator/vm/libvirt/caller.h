// SPDX-License-Identifier: Apache-2.0
// libvirt's calls block, some for seconds, and for ever when a host does not answer. They are made
// by a thread beside the machine's, one after another, while the machine's loop turns and keeps the
// deadline. A call that never returns keeps its thread and what it uses, nothing else.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/deadline.h"
#include "base/error.h"
#include "vm/loop.h"

namespace rig::vm::libvirt {

class Caller {
 public:
  Caller(Loop& loop, std::stop_token stop);
  ~Caller();  // does not wait; what is queued is still done
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  // Makes the calls in `work`, which must own what it uses, and returns what it returned.
  Status call(std::string_view doing, Deadline deadline, std::function<Status()> work);
  // The same without waiting.
  void post(std::function<void()> work);
  // Lets the loop turn for that long. False: the stop token fired.
  bool pause(Duration time);
  // Waits for all that was posted, at most until the deadline, without turning the loop.
  void finish(Deadline deadline);

  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }

 private:
  struct Queue;
  Loop& loop_;
  std::stop_token stop_;
  std::shared_ptr<Mailbox> mailbox_;
  std::shared_ptr<Queue> queue_;
};

}  // namespace rig::vm::libvirt
