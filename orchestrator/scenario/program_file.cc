// SPDX-License-Identifier: Apache-2.0
#include "scenario/program_file.h"

#include <elf.h>

#include <algorithm>

#include "base/text.h"
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
std::vector<std::string> own_programs(const LoadOptions& options) {
  std::vector<std::string> names;
  std::error_code error;
  const bool built = !options.programs.empty();
  const fs::path folder = built ? options.programs : options.root / kOwnFolder;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!is_file(it->path())) continue;
    const fs::path& file = it->path();
    if (!built && file.extension() != ".cc" && file.extension() != ".c") continue;
    const std::string name = (built ? file.filename() : file.stem()).string();
    names.push_back(fmt::format("{}/{}", kOwnFolder, name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The guest has neither a C library nor a shell: only a static ELF program can start there.
Status check_static(const fs::path& path, const std::string& written) {
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
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    const auto segment =
        load<Elf64_Phdr>(bytes, header->e_phoff + std::uint64_t{i} * sizeof(Elf64_Phdr));
    if (!segment) break;
    if (segment->p_type != PT_INTERP) continue;
    return fail(Blame::kInput,
                "program {} is dynamically linked, and the guest has no libraries: link it with "
                "-static",
                shown(written));
  }
  return {};
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

Result<fs::path> find_program_file(const std::string& written, const LoadOptions& options) {
  std::error_code error;
  const fs::path path = fs::absolute(options.root / written, error).lexically_normal();
  const fs::path own = fs::absolute(options.root / kOwnFolder, error).lexically_normal();
  const auto programs = own_programs(options);
  const bool is_own = path.parent_path() == own;
  if (is_own && !options.programs.empty() && is_file(options.programs / path.filename())) {
    return path;
  }
  if (is_own && options.programs.empty() && has_source(path)) return path;
  if (is_file(path)) {
    RIG_TRY(check_static(path, written));
    return path;
  }
  if (is_own && has_source(path)) return not_built(written, programs);
  if (fs::is_directory(path, error)) {
    return fail(Blame::kInput, "program {} is a folder{}", shown(written),
                programs.empty() ? "" : fmt::format("; valid: {}", fmt::join(programs, ", ")));
  }
  return fail(Blame::kInput, "program {} does not exist{}", shown(written),
              suggest(written, programs));
}

}  // namespace rig::scenario
