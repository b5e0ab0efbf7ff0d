// SPDX-License-Identifier: Apache-2.0
#include "vm/libvirt/event_thread.h"

#include <libvirt/virterror.h>
#include <signal.h>
#include <stdlib.h>

#include <thread>

#include "vm/libvirt/handles.h"

namespace rig::vm::libvirt {
namespace {

void keep_quiet(void*, virErrorPtr) {}  // errors are returned, not printed

Status begin_event_thread() {
  // The embedded driver writes its log to stderr unless told otherwise; what matters is returned.
  ::setenv("LIBVIRT_LOG_OUTPUTS", "4:file:/dev/null", 0);
  if (virInitialize() < 0) return fail_libvirt("starting");
  virSetErrorFunc(nullptr, keep_quiet);
  if (virEventRegisterDefaultImpl() < 0) return fail_libvirt("registering the event loop");
  std::thread([] {
    sigset_t all;
    ::sigfillset(&all);  // Ctrl-C is for the threads that handle it
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    while (virEventRunDefaultImpl() == 0) continue;
  }).detach();
  return {};
}

}  // namespace

Status start_event_thread() {
  static const Status started = begin_event_thread();
  return started;
}

}  // namespace rig::vm::libvirt
