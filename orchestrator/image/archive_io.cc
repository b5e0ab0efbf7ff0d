// SPDX-License-Identifier: Apache-2.0
#include "image/archive_io.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <mutex>
#include <optional>

#include "base/deadline.h"

namespace rig::image {
namespace {

struct FreeReader {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
struct FreeWriter {
  void operator()(archive* writer) const { archive_write_free(writer); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};
using Reader = std::unique_ptr<archive, FreeReader>;
using Writer = std::unique_ptr<archive, FreeWriter>;
using Entry = std::unique_ptr<archive_entry, FreeEntry>;

// libarchive's disk writer sets the process's umask to 0 for a moment, to learn it. Two threads
// doing so at once would leave it at 0.
std::mutex& umask_mutex() {
  static std::mutex mutex;
  return mutex;
}

Writer new_disk_writer() {
  const std::lock_guard guard(umask_mutex());
  return Writer(archive_write_disk_new());
}

int write_disk_header(archive* disk, archive_entry* entry) {
  const std::lock_guard guard(umask_mutex());
  return archive_write_header(disk, entry);
}

std::string reason(archive* handle) {
  const char* text = archive_error_string(handle);
  return text != nullptr ? text : "unknown error";
}

// "./usr/src/x" -> "usr/src/x"; nothing when the path would leave the root.
std::optional<std::string> safe_path(const char* name) {
  if (name == nullptr) return std::nullopt;
  const fs::path path = fs::path(name).lexically_normal().relative_path();
  for (const fs::path& part : path) {
    if (part == "..") return std::nullopt;
  }
  const std::string text = path.string();
  return text == "." ? std::string() : text;
}

// The data.tar of a package as a stream of blocks out of the surrounding ar archive.
la_ssize_t read_from_outer(archive*, void* outer, const void** block) {
  std::size_t size = 0;
  la_int64_t offset = 0;
  const int code = archive_read_data_block(static_cast<archive*>(outer), block, &size, &offset);
  if (code == ARCHIVE_EOF) return 0;
  return code < ARCHIVE_WARN ? -1 : static_cast<la_ssize_t>(size);
}

// Of a package its data, of a tar file itself.
enum class Container { kDeb, kTar };

class Unpacker {
 public:
  Unpacker(fs::path file, fs::path root, const UnpackOptions& options, Container container)
      : file_(std::move(file)), root_(std::move(root)), options_(options), container_(container) {}

  Status run() {
    std::error_code error;
    // libarchive refuses to write through symlinks: the way to the root itself must have none.
    root_ = fs::canonical(root_, error);
    if (error) return fail(Blame::kRig, "no folder {}: {}", root_.string(), error.message());
    size_ = std::max<std::uintmax_t>(1, fs::file_size(file_, error));
    RIG_TRY(container_ == Container::kDeb ? open_data() : open_tar());
    archive_write_disk_set_options(
        disk_.get(), ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_SECURE_SYMLINKS);
    for (;;) {
      archive_entry* entry = nullptr;
      const int code = archive_read_next_header(data_.get(), &entry);
      if (code == ARCHIVE_EOF) return finish();
      if (code < ARCHIVE_WARN) return damaged(data_.get());
      if (options_.stop.stop_requested()) return fail(Blame::kCancelled, "stopped");
      tell_progress();
      RIG_TRY(unpack(entry));
    }
  }

 private:
  Status damaged(archive* reader) const {
    return fail(Blame::kRig, "{}: damaged {}: {}", file_.string(),
                container_ == Container::kDeb ? "package" : "archive", reason(reader));
  }

  Status open_tar() {
    archive_read_support_filter_all(data_.get());
    archive_read_support_format_tar(data_.get());
    if (archive_read_open_filename(data_.get(), file_.c_str(), 1 << 16) == ARCHIVE_OK) return {};
    return damaged(data_.get());
  }

  Status open_data() {
    archive_read_support_format_ar(outer_.get());
    if (archive_read_open_filename(outer_.get(), file_.c_str(), 1 << 16) != ARCHIVE_OK) {
      return damaged(outer_.get());
    }
    for (;;) {
      archive_entry* entry = nullptr;
      const int code = archive_read_next_header(outer_.get(), &entry);
      if (code == ARCHIVE_EOF) return fail(Blame::kRig, "{}: has no data.tar", file_.string());
      if (code < ARCHIVE_WARN) return damaged(outer_.get());
      const char* name = archive_entry_pathname(entry);
      if (name != nullptr && std::string_view(name).starts_with("data.tar")) break;
    }
    archive_read_support_filter_all(data_.get());
    archive_read_support_format_tar(data_.get());
    if (archive_read_open(data_.get(), outer_.get(), nullptr, read_from_outer, nullptr) !=
        ARCHIVE_OK) {
      return damaged(data_.get());
    }
    return {};
  }

  Status unpack(archive_entry* entry) {
    const auto path = safe_path(archive_entry_pathname(entry));
    if (!path) return leaves_root(archive_entry_pathname(entry));
    if (path->empty() || (options_.keep && !options_.keep(*path))) return {};
    archive_entry_set_pathname(entry, (root_ / *path).c_str());
    if (const char* target = archive_entry_hardlink(entry)) {
      const auto safe = safe_path(target);
      if (!safe) return leaves_root(target);
      archive_entry_set_hardlink(entry, (root_ / *safe).c_str());
    }
    const char* link = archive_entry_symlink(entry);
    if (link != nullptr && *link == '/') {
      const fs::path from = fs::path("/" + *path).parent_path();
      archive_entry_set_symlink(entry,
                                fs::path(link).lexically_normal().lexically_relative(from).c_str());
    }
    archive_entry_set_perm(entry, archive_entry_perm(entry) & 0777);
    if (write_disk_header(disk_.get(), entry) < ARCHIVE_WARN) return cannot_write();
    return copy_data();
  }

  Status copy_data() {
    for (;;) {
      const void* block = nullptr;
      std::size_t size = 0;
      la_int64_t offset = 0;
      const int code = archive_read_data_block(data_.get(), &block, &size, &offset);
      if (code == ARCHIVE_EOF) break;
      if (code < ARCHIVE_WARN) return damaged(data_.get());
      if (archive_write_data_block(disk_.get(), block, size, offset) < ARCHIVE_WARN) {
        return cannot_write();
      }
    }
    if (archive_write_finish_entry(disk_.get()) < ARCHIVE_WARN) return cannot_write();
    return {};
  }

  Status finish() {
    if (archive_write_close(disk_.get()) < ARCHIVE_WARN) return cannot_write();
    if (options_.on_progress) options_.on_progress(1);
    return {};
  }

  Status cannot_write() const {
    return fail_hint(Blame::kRig, "is there space left in the cache's folder?",
                     "cannot unpack {} into {}: {}", file_.filename().string(), root_.string(),
                     reason(disk_.get()));
  }
  Status leaves_root(const char* path) const {
    return fail(Blame::kRig, "{}: refused, a path leaves the package: {}", file_.string(),
                path != nullptr ? path : "(none)");
  }

  void tell_progress() {
    if (!options_.on_progress || Clock::now() < next_progress_) return;
    next_progress_ = Clock::now() + std::chrono::milliseconds(200);
    archive* file = container_ == Container::kDeb ? outer_.get() : data_.get();
    const auto read = static_cast<double>(archive_filter_bytes(file, -1));
    options_.on_progress(std::min(1.0, read / static_cast<double>(size_)));
  }

  fs::path file_;
  fs::path root_;
  const UnpackOptions& options_;
  Container container_;
  std::uintmax_t size_ = 1;
  Clock::time_point next_progress_ = Clock::now();
  Reader outer_{archive_read_new()};
  Reader data_{archive_read_new()};  // reads from outer_: it must go first
  Writer disk_ = new_disk_writer();
};

}  // namespace

Status unpack_deb(const fs::path& deb, const fs::path& root, const UnpackOptions& options) {
  return Unpacker(deb, root, options, Container::kDeb).run();
}

Status unpack_tar(const fs::path& tar, const fs::path& root, const UnpackOptions& options) {
  return Unpacker(tar, root, options, Container::kTar).run();
}

Status decompress(ByteView bytes, const ByteSink& sink, std::uint64_t limit) {
  if (bytes.empty()) return {};
  const Reader reader(archive_read_new());
  archive_read_support_filter_all(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_entry* entry = nullptr;
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK ||
      archive_read_next_header(reader.get(), &entry) < ARCHIVE_WARN) {
    return fail(Blame::kRig, "cannot decompress: {}", reason(reader.get()));
  }
  std::uint64_t total = 0;
  for (;;) {
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int code = archive_read_data_block(reader.get(), &block, &size, &offset);
    if (code == ARCHIVE_EOF) return {};
    if (code < ARCHIVE_WARN) {
      return fail(Blame::kRig, "cannot decompress: {}", reason(reader.get()));
    }
    total += size;
    if (total > limit) return fail(Blame::kRig, "decompresses to more than {} bytes", limit);
    RIG_TRY(sink(ByteView(static_cast<const std::byte*>(block), size)));
  }
}

void CpioWriter::Free::operator()(archive* writer) const {
  archive_write_free(writer);
}

Result<CpioWriter> CpioWriter::create(const fs::path& path) {
  CpioWriter cpio(archive_write_new());
  archive* writer = cpio.writer_.get();
  archive_write_set_format_cpio_newc(writer);
  archive_write_add_filter_none(writer);
  if (archive_write_open_filename(writer, path.c_str()) != ARCHIVE_OK) {
    return fail(Blame::kRig, "cannot create {}: {}", path.string(), reason(writer));
  }
  return cpio;
}

namespace {

Status write_entry(archive* writer, archive_entry* entry, std::string_view content) {
  archive_entry_set_uid(entry, 0);
  archive_entry_set_gid(entry, 0);
  archive_entry_set_mtime(entry, 0, 0);
  archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
  const bool written =
      archive_write_header(writer, entry) >= ARCHIVE_WARN &&
      (content.empty() || archive_write_data(writer, content.data(), content.size()) ==
                              static_cast<la_ssize_t>(content.size()));
  if (!written) return fail(Blame::kRig, "cannot write the initramfs: {}", reason(writer));
  return {};
}

}  // namespace

Status CpioWriter::add_folder(const std::string& path) {
  const Entry entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), path.c_str());
  archive_entry_set_filetype(entry.get(), AE_IFDIR);
  archive_entry_set_perm(entry.get(), 0755);
  archive_entry_set_nlink(entry.get(), 2);
  return write_entry(writer_.get(), entry.get(), {});
}

Status CpioWriter::add_file(const std::string& path, unsigned mode, std::string_view content) {
  const Entry entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), path.c_str());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), mode);
  archive_entry_set_nlink(entry.get(), 1);
  return write_entry(writer_.get(), entry.get(), content);
}

Status CpioWriter::add_character_device(const std::string& path, unsigned mode, unsigned major,
                                        unsigned minor) {
  const Entry entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), path.c_str());
  archive_entry_set_filetype(entry.get(), AE_IFCHR);
  archive_entry_set_perm(entry.get(), mode);
  archive_entry_set_nlink(entry.get(), 1);
  archive_entry_set_rdevmajor(entry.get(), major);
  archive_entry_set_rdevminor(entry.get(), minor);
  return write_entry(writer_.get(), entry.get(), {});
}

Status CpioWriter::close() {
  if (archive_write_close(writer_.get()) < ARCHIVE_WARN) {
    return fail(Blame::kRig, "cannot write the initramfs: {}", reason(writer_.get()));
  }
  return {};
}

}  // namespace rig::image
