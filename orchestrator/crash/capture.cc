// SPDX-License-Identifier: Apache-2.0
#include "crash/capture.h"

namespace rig::crash {
namespace {

// A capture has no verdict on the kernel: the user's Ctrl-C stays one, all else is the rig's.
tl::unexpected<Error> failed(std::string_view step, Error error) {
  if (error.blame != Blame::kCancelled) error.blame = Blame::kRig;
  return wrap(step, std::move(error));
}

}  // namespace

Result<Capture> capture(vm::Vm& machine, const fs::path& folder, vm::DumpFormat format,
                        const ProgressSink& progress, Deadline deadline) {
  const Stopwatch watch;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail_errno(error.value(), "cannot create " + folder.string());

  Capture result{.path = folder / "vmcore"};
  tell(progress, {"capture", std::nullopt, "stop the guest"});
  // Stopping a stopped guest does nothing, so a panicked one needs no case of its own.
  if (auto stopped = machine.stop(deadline); !stopped) {
    return failed("stop before the dump", std::move(stopped).error());
  }
  if (auto dumped = machine.dump(result.path, format, progress, deadline); !dumped) {
    fs::remove(result.path, error);
    return failed("dump", std::move(dumped).error());
  }
  result.bytes = fs::file_size(result.path, error);
  if (error) return fail_errno(error.value(), "no core at " + result.path.string());
  if (result.bytes == 0) {
    fs::remove(result.path, error);
    return fail(Blame::kRig, "the backend wrote an empty core");
  }
  result.seconds = watch.seconds();
  return result;
}

}  // namespace rig::crash
