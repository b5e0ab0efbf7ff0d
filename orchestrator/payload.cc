// SPDX-License-Identifier: Apache-2.0
#include "payload.h"

namespace rig {
namespace {

constexpr std::uint64_t kSendSpeed = 512u << 10;  // bytes a second: TCG on a busy host does 3 MB

Status send(vm::Vm& machine, const fs::path& file, std::string_view guest_path, unsigned mode) {
  std::error_code error;
  const auto bytes = fs::file_size(file, error);
  const auto time = kInjectTime + std::chrono::seconds(error ? 0 : bytes / kSendSpeed);
  return machine.put_file(file, guest_path, mode, Deadline::after(time));
}

}  // namespace

Status inject(vm::Vm& machine, const std::vector<scenario::GuestFile>& files,
              const Payload& payload) {
  const Deadline deadline = Deadline::after(kInjectTime);
  for (const scenario::GuestFile& file : files) {
    RIG_TRY(send(machine, file.from, file.to, file.mode));
  }
  if (!payload.module.empty() && !payload.module_in_boot) {
    const std::string path = "/tmp/" + payload.module.filename().string();
    RIG_TRY(send(machine, payload.module, path, 0644));
    RIG_TRY(machine.load_module(path, payload.module_params, deadline));
  }
  if (payload.program.empty()) return {};
  std::vector<std::string> argv = {"/tmp/" + payload.program.filename().string()};
  RIG_TRY(send(machine, payload.program, argv[0], 0755));
  argv.insert(argv.end(), payload.program_args.begin(), payload.program_args.end());
  return machine.start_program(argv, deadline);
}

}  // namespace rig
