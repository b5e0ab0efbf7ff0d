// SPDX-License-Identifier: Apache-2.0
#include "guest/protocol.h"
#include "image/archive_io.h"
#include "image/boot_drivers.h"
#include "image/boot_image.h"
#include "image/cache_survey.h"
#include "image/content_hash.h"
#include "image/guarded.h"
#include "image/leftovers.h"
#include "image/modes.h"

namespace rig::image {
namespace {

constexpr std::string_view kInitramfsFormat =
    "initramfs 2";  // raise it when the layout below changes
constexpr auto kInitramfsPatience =
    std::chrono::minutes(1);  // another run writes one in milliseconds
constexpr std::uint64_t kLargestModule = 256 << 20;

// Parents before children: the kernel's unpacker makes no folders of its own.
constexpr const char* kFolders[] = {
    "dev",         "etc",  "lib", "lib/crashrig", "lib/crashrig/kdump",
    "lib/modules", "proc", "run", "sys",          "tmp"};

// A module as the guest loads it: plain, whatever the package compresses its modules with.
Result<std::string> read_module(const fs::path& file) {
  RIG_ASSIGN(const MappedFile mapped, MappedFile::open(file));
  if (file.extension() == ".ko") return std::string(as_text(mapped.bytes()));
  std::string plain;
  const auto append = [&](ByteView part) -> Status {
    plain += as_text(part);
    return {};
  };
  if (auto status = decompress(mapped.bytes(), append, kLargestModule); !status) {
    return wrap(file.string(), std::move(status).error());
  }
  return plain;
}

// "…/lib/modules/R/kernel/drivers/virtio/virtio.ko.xz" -> "lib/modules/R/virtio.ko". Names are
// unique within a kernel, so one folder serves them all.
std::string path_in_guest(const Kernel& kernel, const fs::path& file) {
  const std::string name = file.filename().string();
  return fmt::format("lib/modules/{}/{}", kernel.release, name.substr(0, name.find(".ko") + 3));
}

Status write_cpio(const fs::path& target, const Kernel& kernel, const InitramfsSpec& spec) {
  RIG_ASSIGN(const auto modules, load_order(kernel.modules, spec.drivers));
  RIG_ASSIGN(const MappedFile agent, MappedFile::open(spec.agent));
  RIG_ASSIGN(CpioWriter cpio, CpioWriter::create(target));
  for (const char* folder : kFolders) RIG_TRY(cpio.add_folder(folder));
  RIG_TRY(cpio.add_folder(fmt::format("lib/modules/{}", kernel.release)));
  // Opened by the kernel for /init's output, before devtmpfs is there.
  RIG_TRY(cpio.add_character_device("dev/console", 0600, 5, 1));
  RIG_TRY(cpio.add_file("init", 0755, as_text(agent.bytes())));
  std::string list;
  for (const fs::path& module : modules) {
    const std::string path = path_in_guest(kernel, module);
    RIG_ASSIGN(const std::string content, read_module(module));
    RIG_TRY(cpio.add_file(path, 0644, content));
    list += fmt::format("/{}\n", path);
  }
  if (!spec.module.empty()) {
    const std::string path = path_in_guest(kernel, spec.module);
    RIG_ASSIGN(const std::string content, read_module(spec.module));
    RIG_TRY(cpio.add_file(path, 0644, content));
    list += fmt::format("/{} {}\n", path, spec.module_params);
  }
  for (const InitramfsFile& file : spec.files) {
    RIG_ASSIGN(const MappedFile content, MappedFile::open(file.from));
    RIG_TRY(cpio.add_file(file.to.substr(1), 0644, as_text(content.bytes())));
  }
  RIG_TRY(cpio.add_file(std::string(guest::kModuleListPath).substr(1), 0644, list));
  return cpio.close();
}

Result<fs::path> find_or_write(const Kernel& kernel, const InitramfsSpec& spec) {
  ContentHash hash;
  hash.add(kInitramfsFormat).add(kernel.package).add(kernel.version);
  if (auto status = hash.add_file(spec.agent); !status) {
    return wrap("the guest's agent", std::move(status).error());
  }
  for (const std::string& driver : spec.drivers) hash.add(driver);
  if (!spec.module.empty()) {
    hash.add(spec.module.filename().string()).add(spec.module_params);
    RIG_TRY(hash.add_file(spec.module));
  }
  for (const InitramfsFile& file : spec.files) {
    hash.add(file.to);
    RIG_TRY(hash.add_file(file.from));
  }
  RIG_ASSIGN(const fs::path cache, cache_dir());
  const fs::path folder = cache / "initramfs";
  const fs::path target =
      folder / fmt::format("{}-{}.cpio", kernel.release, hash.finish().substr(0, 16));
  std::error_code error;
  if (fs::is_regular_file(target, error)) {
    mark_used(target);
    return target;
  }
  RIG_TRY(make_folder(folder));
  RIG_ASSIGN(const FileLock lock,
             FileLock::acquire(folder / "lock", Deadline::after(kInitramfsPatience)));
  if (fs::is_regular_file(target, error)) return target;
  remove_leftovers(folder, ".unfinished");
  RIG_ASSIGN(const TempDir unfinished, TempDir::create(".unfinished", folder));
  const fs::path file = unfinished.path() / target.filename();
  RIG_TRY(write_cpio(file, kernel, spec));
  fs::permissions(file, fs::perms(0644), error);
  if (!error) fs::rename(file, target, error);
  if (error) return fail(Blame::kRig, "cannot create {}: {}", target.string(), error.message());
  return target;
}

}  // namespace

Result<fs::path> build_initramfs(const Kernel& kernel, const InitramfsSpec& spec) {
  return guarded([&] { return find_or_write(kernel, spec); });
}

}  // namespace rig::image
