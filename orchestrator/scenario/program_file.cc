// SPDX-License-Identifier: Apache-2.0
#include "scenario/program_file.h"

#include <elf.h>

#include <algorithm>

#include "base/text.h"
#include "scenario/guest_files.h"
#include "scenario/units.h"

namespace rig::scenario {

namespace {

constexpr const char* kOwnFolder = "guest/stress";

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// The source that a program of this name would be built from.
bool has_source(const fs::path& path) {
  return is_file(path.string() + ".cc") || is_file(path.string() + ".c");
}

// What guest/stress has: the built programs, or, where those are not known, the sources.
std::vector<std::string> own_programs(const fs::path& root, const fs::path& built) {
  std::vector<std::string> names;
  std::error_code error;
  const fs::path folder = built.empty() ? root / kOwnFolder : built;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!is_file(it->path())) continue;
    const fs::path& file = it->path();
    if (built.empty() && file.extension() != ".cc" && file.extension() != ".c") continue;
    const std::string name = (built.empty() ? file.stem() : file.filename()).string();
    names.push_back(fmt::format("{}/{}", kOwnFolder, name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<Arch> arch_of(const Elf64_Ehdr& header) {
  if (header.e_machine == EM_X86_64) return Arch::kX86_64;
  if (header.e_machine == EM_AARCH64) return Arch::kArm64;
  return std::nullopt;
}

Status check_arch(const Elf64_Ehdr& header, const std::string& written,
                  std::span<const Arch> archs) {
  const auto is_for = arch_of(header);
  for (const Arch arch : archs) {
    if (is_for == arch) continue;
    return fail(Blame::kInput,
                "program {} is for {}, and does not run in {} guests: write one for each "
                "architecture, {{x86_64: PATH, arm64: PATH}}",
                shown(written),
                is_for ? std::string(to_string(*is_for))
                       : fmt::format("another machine (ELF {})", header.e_machine),
                to_string(arch));
  }
  return {};
}

// The guest has neither a C library nor a shell: only a static ELF program can start there.
Status check_static(ByteView bytes, const Elf64_Ehdr& header, const std::string& written) {
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const auto segment =
        load<Elf64_Phdr>(bytes, header.e_phoff + std::uint64_t{i} * sizeof(Elf64_Phdr));
    if (!segment) break;
    if (segment->p_type != PT_INTERP) continue;
    return fail(Blame::kInput,
                "program {} is dynamically linked, and the guest has no libraries: link it with "
                "-static",
                shown(written));
  }
  return {};
}

Status check_program(const fs::path& path, const std::string& written,
                     std::span<const Arch> archs) {
  RIG_ASSIGN(const MappedFile file, MappedFile::open(path));
  const ByteView bytes = file.bytes();
  const auto header = load<Elf64_Ehdr>(bytes);
  const bool is_elf = header && as_text(bytes).starts_with(ELFMAG) &&
                      header->e_ident[EI_CLASS] == ELFCLASS64 &&
                      (header->e_type == ET_EXEC || header->e_type == ET_DYN);
  if (!is_elf) {
    return fail(Blame::kInput,
                "program {} is no 64-bit ELF program: the guest has nothing that could run it",
                shown(written));
  }
  RIG_TRY(check_static(bytes, *header, written));
  if (header->e_entry == 0) {
    return fail(Blame::kInput, "program {} is a library: it begins nowhere", shown(written));
  }
  if (bytes.size() > kMaxGuestFileBytes) {
    return fail(Blame::kInput, "program {} has {}: more than {} MiB cannot be sent to a guest",
                shown(written), human_bytes(bytes.size()), kMaxGuestFileBytes >> 20);
  }
  return check_arch(*header, written, archs);
}

tl::unexpected<Error> not_built(const std::string& written, std::vector<std::string> programs) {
  std::erase(programs, written);
  return fail(Blame::kInput,
              "program {} is not built: guest/CMakeLists.txt has no rig_guest_program() of that "
              "name{}",
              shown(written),
              programs.empty() ? "" : fmt::format("; built are: {}", fmt::join(programs, ", ")));
}

}  // namespace

Result<fs::path> find_program_file(const std::string& written, std::span<const Arch> archs,
                                   const PathBases& bases, const fs::path& built) {
  std::error_code error;
  const fs::path path = fs::absolute(bases.root / written, error).lexically_normal();
  const fs::path own = fs::absolute(bases.root / kOwnFolder, error).lexically_normal();
  const auto programs = own_programs(bases.root, built);
  const bool is_own = path.parent_path() == own && !written.starts_with('.');
  if (is_own && !built.empty() && is_file(built / path.filename())) return path;
  if (is_own && built.empty() && has_source(path)) return path;
  const auto found = bases.find(written);
  if (found && is_file(*found)) {
    RIG_TRY(check_program(*found, written, archs));
    return *found;
  }
  if (is_own && has_source(path)) return not_built(written, programs);
  if (found) {
    return fail(Blame::kInput, "program {} is a folder{}", shown(written),
                programs.empty() ? "" : fmt::format("; valid: {}", fmt::join(programs, ", ")));
  }
  return fail(Blame::kInput, "program {} does not exist{}", shown(written),
              suggest(written, programs));
}

}  // namespace rig::scenario
