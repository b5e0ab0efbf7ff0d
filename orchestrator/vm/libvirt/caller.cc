// SPDX-License-Identifier: Apache-2.0
#include "vm/libvirt/caller.h"

#include <signal.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace rig::vm::libvirt {

struct Caller::Queue {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> works;
  bool busy = false;
  bool ending = false;

  void serve() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return ending || !works.empty(); });
      if (works.empty()) return;
      std::function<void()> work = std::move(works.front());
      works.pop_front();
      busy = true;
      lock.unlock();
      work();
      work = nullptr;  // what it owned goes before anybody hears that it is done
      lock.lock();
      busy = false;
      changed.notify_all();
    }
  }
};

Caller::Caller(Loop& loop, std::stop_token stop)
    : loop_(loop),
      stop_(std::move(stop)),
      mailbox_(std::make_shared<Mailbox>(loop)),
      queue_(std::make_shared<Queue>()) {
  std::thread([queue = queue_] {
    sigset_t all;
    ::sigfillset(&all);  // Ctrl-C is for the threads that handle it
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    queue->serve();
  }).detach();
}

Caller::~Caller() {
  mailbox_->close();
  const std::lock_guard lock(queue_->mutex);
  queue_->ending = true;
  queue_->changed.notify_all();
}

void Caller::post(std::function<void()> work) {
  const std::lock_guard lock(queue_->mutex);
  queue_->works.push_back(std::move(work));
  queue_->changed.notify_all();
}

Status Caller::call(std::string_view doing, Deadline deadline, std::function<Status()> work) {
  // Shared: the call may still return after we have given up waiting for it.
  const auto result = std::make_shared<std::optional<Status>>();
  post([mailbox = mailbox_, result, work = std::move(work)] {
    mailbox->post([result, status = work()] { *result = status; });
  });
  switch (loop_.run_until([&] { return result->has_value(); }, deadline, stop_)) {
    case Loop::Woke::kCancelled:
      return fail(Blame::kCancelled, "stopped while {}", doing);
    case Loop::Woke::kDeadline:
      return fail_hint(Blame::kRig, "does `virsh list` answer there?",
                       "libvirt does not answer in time while {}", doing);
    case Loop::Woke::kCondition:
      break;
  }
  return **result;
}

bool Caller::pause(Duration time) {
  return loop_.run_until([] { return false; }, Deadline::after(time), stop_) !=
         Loop::Woke::kCancelled;
}

void Caller::finish(Deadline deadline) {
  std::unique_lock lock(queue_->mutex);
  queue_->changed.wait_until(lock, deadline.at(),
                             [this] { return queue_->works.empty() && !queue_->busy; });
}

}  // namespace rig::vm::libvirt
