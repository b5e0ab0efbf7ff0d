// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/debuginfo_files.h"

#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

#include "base/bytes.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxFiles = 1 << 18;  // looked at in one folder tree; kernels have 10,000
constexpr std::size_t kMaxNamed = 4;        // files of another build that an error names

std::optional<std::string> note_build_id(Elf_Data& data) {
  std::size_t offset = 0;
  GElf_Nhdr note;
  std::size_t name = 0;
  std::size_t descriptor = 0;
  const ByteView bytes(static_cast<const std::byte*>(data.d_buf), data.d_size);
  while ((offset = gelf_getnote(&data, offset, &note, &name, &descriptor)) > 0) {
    if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof ELF_NOTE_GNU) continue;
    const auto owner = slice(bytes, name, sizeof ELF_NOTE_GNU);
    const auto id = slice(bytes, descriptor, note.n_descsz);
    if (owner && id && as_text(*owner).starts_with(ELF_NOTE_GNU)) return hex_digits(*id);
  }
  return std::nullopt;
}

// Calls `visit(file)` for what a folder holds, itself or with all below, in the order of names.
template <typename Visit>
void walk(const fs::path& folder, bool recursive, Visit visit) {
  std::error_code error;
  std::vector<fs::path> found;
  if (recursive) {
    constexpr auto kOptions = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator at(folder, kOptions, error), end;
         !error && at != end && found.size() < kMaxFiles; at.increment(error)) {
      found.push_back(at->path());
    }
  } else {
    for (fs::directory_iterator at(folder, error), end;
         !error && at != end && found.size() < kMaxFiles; at.increment(error)) {
      found.push_back(at->path());
    }
  }
  std::sort(found.begin(), found.end());
  for (const fs::path& each : found) visit(each);
}

// "i2c_core" from i2c-core.ko, i2c-core.ko.debug; nothing for other files.
std::optional<std::string> module_name(const fs::path& file) {
  std::string name = file.filename().string();
  for (const std::string_view end : {".debug", ".ko"}) {
    if (name.ends_with(end)) {
      name.resize(name.size() - end.size());
    } else if (end == ".ko") {
      return std::nullopt;
    }
  }
  return with_underscores(name);
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// Looks through `candidates` for the build; else says what they are.
Result<fs::path> choose(const std::vector<fs::path>& candidates, std::string_view build_id,
                        std::string_view what, std::string_view hint) {
  std::string others;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const auto id = elf_build_id(candidates[i]);
    if (id && *id && **id == build_id) return candidates[i];
    if (i == kMaxNamed) others += fmt::format(" and {} more", candidates.size() - i);
    if (i >= kMaxNamed) continue;
    others += fmt::format("{}{} {}", others.empty() ? "" : ", ", candidates[i].string(),
                          !id   ? fmt::format("cannot be used ({})", id.error().what)
                          : *id ? fmt::format("is of build {}", **id)
                                : std::string("has no build id"));
  }
  return fail_hint(Blame::kInput, std::string(hint), "the core's {} is of build {}, but {}", what,
                   build_id, others);
}

constexpr std::string_view kKernelHint =
    "the debuginfo package of exactly that kernel has it: Debian's is linux-image-RELEASE-dbg; "
    "unpack it with dpkg-deb -x and give the folder";

}  // namespace

Result<std::optional<std::string>> elf_build_id(const fs::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno(errno, fmt::format("cannot open {}", path.string()), Blame::kInput);
  ::elf_version(EV_CURRENT);
  const std::unique_ptr<Elf, int (*)(Elf*)> elf(::elf_begin(fd.get(), ELF_C_READ_MMAP, nullptr),
                                                ::elf_end);
  if (!elf || ::elf_kind(elf.get()) != ELF_K_ELF) {
    return fail(Blame::kInput, "{} is not an ELF file", path.string());
  }
  for (Elf_Scn* section = ::elf_nextscn(elf.get(), nullptr); section != nullptr;
       section = ::elf_nextscn(elf.get(), section)) {
    GElf_Shdr header;
    if (::gelf_getshdr(section, &header) == nullptr || header.sh_type != SHT_NOTE) continue;
    Elf_Data* data = ::elf_getdata(section, nullptr);
    if (data == nullptr || data->d_buf == nullptr) continue;
    if (auto id = note_build_id(*data)) return id;
  }
  return std::optional<std::string>();
}

DebuginfoFiles::DebuginfoFiles(fs::path path) : path_(std::move(path)) {
  std::error_code ignored;
  is_file_ = fs::is_regular_file(path_, ignored);
  if (!is_file_) {
    bases_ = {path_, path_ / "usr/lib/debug"};
    return;
  }
  // The package around boot/vmlinux-*, or the build folder around vmlinux, has the modules.
  const fs::path folder = fs::absolute(path_, ignored).parent_path();
  if (folder.filename() == "boot") {
    bases_ = {folder.parent_path()};
  } else if (is_there(folder / "modules.order") || is_there(folder / "lib/modules") ||
             is_there(folder / ".build-id")) {
    bases_ = {folder};
  }
}

void DebuginfoFiles::add(const fs::path& path) {
  modules_.reset();
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) {
    module_files_.push_back(path);
  } else {
    bases_.insert(bases_.end(), {path, path / "usr/lib/debug"});
  }
}

std::optional<fs::path> DebuginfoFiles::by_build_id(std::string_view build_id) const {
  if (build_id.size() < 4) return std::nullopt;
  const std::string file =
      fmt::format(".build-id/{}/{}.debug", build_id.substr(0, 2), build_id.substr(2));
  for (const fs::path& base : bases_) {
    if (!is_there(base / file)) continue;
    const auto id = elf_build_id(base / file);
    if (id && *id && **id == build_id) return base / file;
  }
  return std::nullopt;
}

std::vector<fs::path> DebuginfoFiles::kernel_candidates() const {
  if (is_file_) return {path_};
  std::vector<fs::path> found;
  const auto take = [&](const fs::path& file) {
    std::error_code ignored;
    const std::string name = file.filename().string();
    // vmlinux.o, vmlinux.lds and others lie beside it in a build folder.
    if (name != "vmlinux" && !name.starts_with("vmlinux-") && name != "vmlinux.debug") return;
    if (fs::is_regular_file(file, ignored)) found.push_back(file);
  };
  for (const fs::path& base : bases_) {
    walk(base, false, take);
    walk(base / "boot", false, take);
    for (const std::string_view modules : {"lib/modules", "usr/lib/modules"}) {
      walk(base / modules, false, [&](const fs::path& release) { walk(release, false, take); });
    }
  }
  return found;
}

Result<fs::path> DebuginfoFiles::kernel(std::string_view build_id) const {
  if (!is_there(path_)) return fail(Blame::kInput, "{} is not there", path_.string());
  if (!is_file_) {
    if (auto found = by_build_id(build_id)) return *std::move(found);
  }
  const auto candidates = kernel_candidates();
  if (candidates.empty()) {
    return fail_hint(Blame::kInput, std::string(kKernelHint),
                     "no vmlinux in {}: looked for vmlinux, boot/vmlinux-*, lib/modules/*/vmlinux "
                     "and .build-id/{}/{}.debug, there and in its usr/lib/debug",
                     path_.string(), build_id.substr(0, 2),
                     build_id.substr(std::min<std::size_t>(2, build_id.size())));
  }
  if (!build_id.empty()) return choose(candidates, build_id, "kernel", kKernelHint);
  if (candidates.size() == 1) return candidates.front();
  return fail_hint(Blame::kInput, "give the vmlinux itself",
                   "the core does not say of which build its kernel is, and {} has {} of them",
                   path_.string(), candidates.size());
}

void DebuginfoFiles::index_modules() const {
  modules_.emplace();
  const auto take = [&](const fs::path& file) {
    if (const auto name = module_name(file)) modules_->emplace(*name, file);
  };
  for (const fs::path& file : module_files_) take(file);
  for (const fs::path& base : bases_) {
    walk(base, is_there(base / "modules.order"), take);
    for (const std::string_view modules : {"lib/modules", "usr/lib/modules"}) {
      walk(base / modules, true, take);
    }
  }
}

Result<fs::path> DebuginfoFiles::module(const std::string& name, std::string_view build_id) const {
  if (build_id.empty()) {
    return fail(Blame::kInput, "module {}: the core does not say of which build it is", name);
  }
  if (auto found = by_build_id(build_id)) return *std::move(found);
  if (!modules_) index_modules();
  std::vector<fs::path> candidates;
  const auto [begin, end] = modules_->equal_range(name);
  for (auto each = begin; each != end; ++each) candidates.push_back(each->second);
  if (!candidates.empty()) {
    return choose(candidates, build_id, "module " + name,
                  "the debuginfo package of exactly that kernel has the module's");
  }
  return fail_hint(Blame::kInput,
                   "modules are found in a folder of unpacked -dbg packages and in a build folder",
                   "module {}: neither .build-id/{}/{}.debug nor a {}.ko under lib/modules of {}",
                   name, build_id.substr(0, 2),
                   build_id.substr(std::min<std::size_t>(2, build_id.size())), name,
                   path_.string());
}

}  // namespace rig::analyzer
