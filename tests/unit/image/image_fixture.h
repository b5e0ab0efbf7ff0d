// SPDX-License-Identifier: Apache-2.0
// Synthetic packages, kernels and modules, and a cache and $PATH of the test's own.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/process.h"

namespace rig::image {

// The process's umask, for as long as it lives.
class WithUmask {
 public:
  explicit WithUmask(mode_t mask) : before_(::umask(mask)) {}
  ~WithUmask() { ::umask(before_); }

 private:
  mode_t before_;
};

// What below `root` is neither 0755 nor, for a file, 0644.
inline std::vector<fs::path> wrong_modes(const fs::path& root) {
  std::vector<fs::path> wrong;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.is_symlink()) continue;
    const fs::perms mode = entry.status().permissions();
    if (mode == fs::perms(0755) || (entry.is_regular_file() && mode == fs::perms(0644))) continue;
    if (entry.path().extension() == ".lock" || entry.path().filename() == "lock") continue;
    wrong.push_back(entry.path());
  }
  return wrong;
}

struct DebEntry {
  std::string path;     // "./usr/src/x"
  std::string content;  // of a file; the target of a link
  bool link = false;
  unsigned mode = 0644;
};

// Collects what libarchive writes.
inline la_ssize_t append_block(archive*, void* text, const void* block, std::size_t size) {
  static_cast<std::string*>(text)->append(static_cast<const char*>(block), size);
  return static_cast<la_ssize_t>(size);
}

inline std::string tar_xz(const std::vector<DebEntry>& entries) {
  std::string bytes;
  archive* writer = archive_write_new();
  archive_write_set_format_pax_restricted(writer);
  archive_write_add_filter_xz(writer);
  archive_write_open(writer, &bytes, nullptr, append_block, nullptr);
  for (const DebEntry& item : entries) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, item.path.c_str());
    archive_entry_set_perm(entry, item.mode);
    if (item.link) {
      archive_entry_set_filetype(entry, AE_IFLNK);
      archive_entry_set_symlink(entry, item.content.c_str());
      archive_write_header(writer, entry);
    } else {
      archive_entry_set_filetype(entry, AE_IFREG);
      archive_entry_set_size(entry, static_cast<la_int64_t>(item.content.size()));
      archive_write_header(writer, entry);
      archive_write_data(writer, item.content.data(), item.content.size());
    }
    archive_entry_free(entry);
  }
  archive_write_free(writer);
  return bytes;
}

inline std::string ar_member(const std::string& name, const std::string& content) {
  std::string bytes =
      fmt::format("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", name, 0, 0, 0, 100644, content.size());
  bytes += content;
  if (bytes.size() % 2 != 0) bytes += '\n';
  return bytes;
}

inline std::string make_deb(const std::vector<DebEntry>& entries) {
  return "!<arch>\n" + ar_member("debian-binary", "2.0\n") +
         ar_member("control.tar.xz", tar_xz({{"./control", "Package: x\n"}})) +
         ar_member("data.tar.xz", tar_xz(entries));
}

// Bytes compressed by one of libarchive's filters, as a file of that kind.
inline std::string compress_with(const std::string& content, int (*add_filter)(archive*)) {
  std::string bytes;
  archive* writer = archive_write_new();
  archive_write_set_format_raw(writer);
  add_filter(writer);
  archive_write_set_bytes_in_last_block(writer, 1);
  archive_write_open(writer, &bytes, nullptr, append_block, nullptr);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_write_header(writer, entry);
  archive_write_data(writer, content.data(), content.size());
  archive_entry_free(entry);
  archive_write_free(writer);
  return bytes;
}

template <typename T>
void append_struct(std::string& bytes, const T& value) {
  const std::size_t at = bytes.size();
  bytes.resize(at + sizeof value);
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

template <typename T>
void put(std::string& bytes, std::size_t offset, T value) {
  if (bytes.size() < offset + sizeof value) bytes.resize(offset + sizeof value);
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

// An x86_64 ELF file whose one segment holds one note.
inline std::string make_vmlinux(std::uint32_t note_type, const std::string& note_name = "Xen") {
  std::string notes;
  append_struct(notes, Elf64_Nhdr{4, 8, note_type});
  notes += note_name.substr(0, 3) + '\0' + std::string(8, '\x11');
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_machine = EM_X86_64;
  header.e_phoff = sizeof header;
  header.e_phnum = 1;
  Elf64_Phdr segment{};
  segment.p_type = PT_NOTE;
  segment.p_offset = sizeof header + sizeof segment;
  segment.p_filesz = notes.size();
  std::string elf;
  append_struct(elf, header);
  append_struct(elf, segment);
  return elf + notes + std::string(5000, 'k');
}

// A bzImage of boot protocol 2.15 with `payload` after two setup sectors and 100 bytes.
inline std::string make_bzimage(const std::string& payload) {
  std::string image(3 * 512 + 100, '\0');
  put<std::uint8_t>(image, 0x1f1, 2);
  put<std::uint16_t>(image, 0x1fe, 0xaa55);
  put<std::uint32_t>(image, 0x202, 0x53726448);
  put<std::uint16_t>(image, 0x206, 0x20f);
  put<std::uint32_t>(image, 0x248, 100);
  put<std::uint32_t>(image, 0x24c, static_cast<std::uint32_t>(payload.size()));
  return image + payload + "what follows";
}

// The payload as the kernel's build makes it with xz: the size follows the stream.
inline std::string xz_with_size(const std::string& vmlinux) {
  std::string payload = compress_with(vmlinux, archive_write_add_filter_xz);
  put<std::uint32_t>(payload, payload.size(), static_cast<std::uint32_t>(vmlinux.size()));
  return payload;
}

inline void write(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  ASSERT_TRUE(write_file_atomically(path, content));
}

// A module object as depmod and libkmod read it: what it exports, what it needs, its modinfo.
inline void make_module(const fs::path& ko, const std::vector<std::string>& exports,
                        const std::vector<std::string>& needs,
                        const std::vector<std::string>& modinfo = {}) {
  std::string source;
  int n = 0;
  for (const auto& info : modinfo) {
    source += fmt::format(
        "__attribute__((used,section(\".modinfo\"))) static const char i{}[]=\"{}\";\n", n++, info);
  }
  source +=
      "__attribute__((used,section(\".modinfo\"))) static const char lic[]=\"license=GPL\";\n";
  for (const auto& name : exports) {
    source += fmt::format(
        "__attribute__((used,section(\"__ksymtab_strings\"))) static const char k{}[]=\"{}\";\n"
        "void {}(void) {{}}\n",
        n++, name, name);
  }
  for (const auto& name : needs) {
    source += fmt::format("void {}(void); void* use{} = {};\n", name, n++, name);
  }
  const fs::path file = ko.string() + ".c";
  write(file, source);
  const auto done = run_ok({"gcc", {"-c", "-o", ko.string(), file.string()}, {}, {}});
  ASSERT_TRUE(done) << done.error().message();
  fs::remove(file);
}

// Every test has its own cache, and programs of its own before those of the system.
class ImageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto folder = TempDir::create("image-test");
    ASSERT_TRUE(folder);
    folder_ = std::make_unique<TempDir>(std::move(*folder));
    old_path_ = std::getenv("PATH");
    fs::create_directories(path("bin"));
    ::setenv("XDG_CACHE_HOME", path("cache").c_str(), 1);
    ::setenv("PATH", (path("bin").string() + ":" + old_path_).c_str(), 1);
  }
  void TearDown() override {
    ::setenv("PATH", old_path_.c_str(), 1);
    ::unsetenv("XDG_CACHE_HOME");
  }

  fs::path path(const std::string& name) const { return folder_->path() / name; }

  void add_program(const std::string& name, const std::string& script) const {
    write(path("bin") / name, "#!/bin/sh\n" + script);
    fs::permissions(path("bin") / name, fs::perms(0755));
  }

 private:
  std::unique_ptr<TempDir> folder_;
  std::string old_path_;
};

}  // namespace rig::image
