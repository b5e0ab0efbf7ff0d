// SPDX-License-Identifier: Apache-2.0
#include "image/module_types.h"

#include <elf.h>

#include <array>

#include "base/process.h"
#include "base/text.h"
#include "image/toolchain.h"
#include "image/vmlinux.h"

namespace rig::image {
namespace {

constexpr auto kTypesTime = std::chrono::minutes(5);
// struct btf_header: magic 0xeb9f, version 1, no flags, and its own length.
constexpr std::string_view kMagic("\x9f\xeb\x01\x00\x18\x00\x00\x00", 8);
constexpr std::uint64_t kHeader = 24;
constexpr std::uint64_t kLargest = 256 << 20;

std::uint64_t btf_size(ByteView image, std::uint64_t at) {
  const auto words = load<std::array<std::uint32_t, 4>>(image, at + kMagic.size());
  if (!words) return 0;
  const auto [types, types_size, strings, strings_size] = *words;
  // The first type begins at once and the first string is empty: a lone magic number is no BTF.
  const std::uint64_t size = kHeader + std::uint64_t{strings} + strings_size;
  if (types != 0 || strings < types_size || types_size == 0 || strings_size == 0) return 0;
  if (size > kLargest || !slice(image, at, size)) return 0;
  return load<std::uint8_t>(image, at + kHeader + strings) == 0 ? size : 0;
}

// Writes the kernel's types to `target`; false when the kernel has none.
Result<bool> write_base(const Kernel& kernel, const fs::path& target, const fs::path& scratch) {
  const auto write_from = [&](const fs::path& file) -> Result<bool> {
    RIG_ASSIGN(const MappedFile image, MappedFile::open(file));
    const auto types = find_types(image.bytes());
    if (!types) return false;
    RIG_TRY(write_file_atomically(target, as_text(*types)));
    return true;
  };
  std::error_code ignored;
  for (const fs::path& file : {kernel.boot_file, kernel.vmlinuz}) {
    if (!fs::is_regular_file(file, ignored)) continue;
    RIG_ASSIGN(const bool found, write_from(file));
    if (found) return true;
  }
  if (!fs::is_regular_file(kernel.vmlinuz, ignored)) return false;
  RIG_ASSIGN(const MappedFile bzimage, MappedFile::open(kernel.vmlinuz));
  const fs::path vmlinux = scratch / "vmlinux";
  if (!extract_vmlinux(bzimage.bytes(), vmlinux)) return false;
  return write_from(vmlinux);
}

// What the kernel's own build gives pahole: its own script knows, which kinds of types it can read.
Result<std::vector<std::string>> pahole_flags(const Kernel& kernel, const fs::path& pahole,
                                              const std::stop_token& stop) {
  const fs::path script = kernel.build / "scripts/pahole-flags.sh";
  std::error_code ignored;
  if (!fs::exists(script, ignored)) return std::vector<std::string>{};
  RIG_ASSIGN(const Completed done, run({"sh", {script.string()}, {}, {{"PAHOLE", pahole.string()}}},
                                       {.deadline = Deadline::after(kTypesTime), .stop = stop}));
  std::vector<std::string> flags;
  for (const std::string& flag : split(trim(done.out), ' ')) {
    // "-j" alone takes all CPUs, for what one does in 0.1 s.
    if (done.ok() && flag.starts_with("--")) flags.push_back(flag);
  }
  return flags;
}

std::string last_line(const Completed& done) {
  const std::string text(trim(done.err.empty() ? done.out : done.err));
  const auto line = text.rfind('\n');
  if (text.empty()) return fmt::format("exit code {}", done.exit_code);
  return line == std::string::npos ? text : text.substr(line + 1);
}

Status rename_to(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (!error) return {};
  return fail(Blame::kRig, "cannot rename {} to {}: {}", from.string(), to.string(),
              error.message());
}

// The name of the objcopy for the kernel's architecture: Debian's package binutils, or its cross
// one.
std::string objcopy_name(const Kernel& kernel) {
  const bool cross = kernel.arch != host_arch();
  return (cross ? std::string(toolchain(kernel.arch).cross) : "") + "objcopy";
}

Result<bool> has_types(const fs::path& module) {
  RIG_ASSIGN(const MappedFile elf, MappedFile::open(module));
  return has_section(elf.bytes(), ".BTF");
}

}  // namespace

std::optional<ByteView> find_types(ByteView image) {
  const std::string_view text = as_text(image);
  std::optional<ByteView> best;
  for (auto at = text.find(kMagic); at != std::string_view::npos; at = text.find(kMagic, at + 1)) {
    const std::uint64_t size = btf_size(image, at);
    if (size != 0 && (!best || size > best->size())) best = image.subspan(at, size);
  }
  return best;
}

bool has_section(ByteView elf, std::string_view name) {
  const auto header = load<Elf64_Ehdr>(elf);
  if (!header || !as_text(elf).starts_with(ELFMAG)) return false;
  if (header->e_ident[EI_CLASS] != ELFCLASS64) return false;
  const auto section = [&](std::uint64_t index) {
    return load<Elf64_Shdr>(elf, header->e_shoff + index * sizeof(Elf64_Shdr));
  };
  const auto names = section(header->e_shstrndx);
  if (!names) return false;
  for (unsigned i = 0; i < header->e_shnum; ++i) {
    const auto each = section(i);
    if (!each) return false;
    if (load_c_string(elf, names->sh_offset + each->sh_name) == name) return true;
  }
  return false;
}

Result<std::string> add_types(const Kernel& kernel, const fs::path& module, const fs::path& scratch,
                              const std::stop_token& stop) {
  RIG_ASSIGN(const bool there, has_types(module));
  if (there) return std::string();
  const auto pahole = find_program("pahole", "dwarves");
  if (!pahole) return std::string("pahole is not there (Debian's package dwarves)");
  const fs::path base = scratch / "kernel.btf", typed = scratch / "typed.ko";
  RIG_ASSIGN(const bool found, write_base(kernel, base, scratch));
  if (!found) return std::string("the kernel's image has none that they could continue");

  RIG_ASSIGN(std::vector<std::string> arguments, pahole_flags(kernel, *pahole, stop));
  RIG_TRY(copy_over(module, typed));
  arguments.insert(arguments.end(), {"-J", "--btf_base", base.string(), typed.string()});
  // pahole adds the section with llvm-objcopy unless it is told of another, as Kbuild does.
  const Command command{
      pahole->string(), arguments, {}, {{"LC_ALL", "C"}, {"LLVM_OBJCOPY", objcopy_name(kernel)}}};
  RIG_ASSIGN(const Completed done,
             run(command, {.deadline = Deadline::after(kTypesTime), .stop = stop}));
  if (!done.ok()) return "pahole: " + last_line(done);
  RIG_ASSIGN(const bool made, has_types(typed));
  if (!made) return std::string("pahole made none: the module was built without -g");
  RIG_TRY(rename_to(typed, module));
  return std::string();
}

Result<std::string> strip_module(const Kernel& kernel, const fs::path& module,
                                 const fs::path& whole, const std::stop_token& stop) {
  const std::string name = objcopy_name(kernel);
  const auto objcopy = find_program(name, "binutils");
  if (!objcopy) return name + " is not there";
  std::error_code error;
  fs::create_directories(whole.parent_path(), error);
  RIG_TRY(copy_over(module, whole));
  const fs::path stripped = whole.string() + ".stripped";
  RIG_ASSIGN(const Completed done,
             run({objcopy->string(), {"--strip-debug", module.string(), stripped.string()}, {}, {}},
                 {.deadline = Deadline::after(kTypesTime), .stop = stop}));
  if (!done.ok()) {
    fs::remove(stripped, error);
    fs::remove(whole, error);
    return name + ": " + last_line(done);
  }
  RIG_TRY(rename_to(stripped, module));
  return std::string();
}

}  // namespace rig::image
