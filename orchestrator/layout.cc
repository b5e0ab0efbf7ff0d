// SPDX-License-Identifier: Apache-2.0
#include "layout.h"

#include <elf.h>

#include <cstdlib>

#include "base/bytes.h"
#include "image/toolchain.h"

namespace rig {
namespace {

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool is_root(const fs::path& folder) {
  std::error_code error;
  return fs::is_directory(folder / "scenarios", error) &&
         fs::is_directory(folder / "kernels", error);
}

tl::unexpected<Error> not_built(std::string_view what, Arch arch) {
  return fail_hint(Blame::kRig,
                   "./rig build installs the cross compiler that packages.txt names and builds it",
                   "{} is not built for {} guests", what, to_string(arch));
}

// A program of the user's own is for one architecture.
Status check_machine(const fs::path& program, Arch arch) {
  RIG_ASSIGN(const MappedFile file, MappedFile::open(program));
  const auto header = load<Elf64_Ehdr>(file.bytes());
  const unsigned wanted = arch == Arch::kArm64 ? EM_AARCH64 : EM_X86_64;
  if (!header || header->e_machine == wanted) return {};
  return fail_hint(Blame::kInput, "choose the guests it fits with --arch",
                   "the program {} is not for {} guests (ELF machine {}, not {})", program.string(),
                   to_string(arch), header->e_machine, wanted);
}

}  // namespace

Result<Layout> Layout::find() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return fail(Blame::kRig, "cannot read /proc/self/exe: {}", error.message());
  const fs::path build = program.parent_path();
  if (const char* given = std::getenv("CRASHRIG_ROOT"); given != nullptr && *given != '\0') {
    if (!is_root(given)) {
      return fail(Blame::kInput, "CRASHRIG_ROOT={} holds no scenarios/ and kernels/", given);
    }
    return Layout{fs::absolute(given, error), build};
  }
  for (fs::path folder = build; folder.has_relative_path(); folder = folder.parent_path()) {
    if (is_root(folder)) return Layout{folder, build};
  }
  return fail_hint(Blame::kRig, "set CRASHRIG_ROOT to the repository",
                   "no folder above {} holds scenarios/ and kernels/", program.string());
}

fs::path Layout::stress_programs() const {
  return build / "guest" / to_string(image::host_arch()) / "stress";
}

Result<fs::path> Layout::agent(Arch arch) const {
  const fs::path agent = build / "guest" / to_string(arch) / "agent";
  if (is_file(agent)) return agent;
  return not_built("the guest's agent", arch);
}

Result<fs::path> Layout::stress_program(const fs::path& program, Arch arch) const {
  const fs::path relative = program.is_absolute() ? program.lexically_relative(root) : program;
  if (relative.parent_path() == "guest/stress") {  // guest/stress/NAME is built with the rig
    const fs::path built = build / "guest" / to_string(arch) / "stress" / relative.filename();
    if (is_file(built)) return built;
    if (is_file(stress_programs() / relative.filename())) {
      return not_built(relative.string(), arch);
    }
  }
  for (const fs::path& candidate : {root / relative, program}) {
    if (!is_file(candidate)) continue;
    RIG_TRY(check_machine(candidate, arch));
    return candidate;
  }
  return fail_hint(Blame::kInput, "programs built with the rig are guest/stress/NAME",
                   "stress program {} does not exist", program.string());
}

}  // namespace rig
