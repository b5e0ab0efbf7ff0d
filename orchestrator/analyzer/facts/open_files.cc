// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/open_files.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxDescriptors = 1 << 20;  // sysctl fs.nr_open
constexpr std::uint64_t kModeMask = 0170000;        // S_IFMT

std::string_view kind_of(std::uint64_t mode) {
  switch (mode & kModeMask) {
    case 0100000:
      return "REG";
    case 0040000:
      return "DIR";
    case 0020000:
      return "CHR";
    case 0060000:
      return "BLK";
    case 0010000:
      return "FIFO";
    case 0140000:
      return "SOCK";
    case 0120000:
      return "LNK";
    default:
      return "anon";  // anonymous inodes have no type
  }
}

// struct file: f_path, f_inode.
OpenFileFacts read_file(const PathReader& paths, unsigned fd, VirtAddr file) {
  const FieldReader& fields = paths.fields();
  OpenFileFacts facts;
  facts.fd = fd;
  facts.file = file;
  const auto place = fields.place(file, "file.f_path");
  const auto path = place ? paths.path_at(*place) : std::nullopt;
  if (!path) {
    facts.path = "<unreadable>";
    return facts;
  }
  facts.dentry = path->dentry;
  auto inode = paths.inode(path->dentry);
  if (!inode) inode = fields.pointer(file, "file.f_inode");
  if (inode) {
    facts.inode = *inode;
    const auto mode = fields.value(*inode, "inode.i_mode");
    if (mode) facts.kind = kind_of(*mode);
  }
  facts.path = paths.name(*path);
  return facts;
}

// struct fdtable: max_fds pointers to struct file, most of them NULL.
void read_descriptors(const PathReader& paths, VirtAddr files, TaskFilesFacts& facts) {
  const FieldReader& fields = paths.fields();
  const auto table = fields.pointer(files, "files_struct.fdt");
  const auto count = table ? fields.value(*table, "fdtable.max_fds") : std::nullopt;
  const auto array = table ? fields.pointer(*table, "fdtable.fd") : std::nullopt;
  if (!count || !array) {
    facts.problems.emplace_back("the table of descriptors cannot be read");
    return;
  }
  if (*count > kMaxDescriptors) {
    facts.problems.push_back(
        fmt::format("the table of descriptors claims {} entries: the first {} are shown", *count,
                    kMaxDescriptors));
  }
  const auto size = std::min(*count, kMaxDescriptors) * sizeof(std::uint64_t);
  const auto bytes = fields.kernel().memory().read_up_to(*array, size);
  if (bytes.size() < size) {
    facts.problems.push_back(
        fmt::format("descriptors from {} on cannot be read", bytes.size() / sizeof(std::uint64_t)));
  }
  for (unsigned fd = 0; (fd + 1) * sizeof(std::uint64_t) <= bytes.size(); ++fd) {
    const auto file = load<std::uint64_t>(bytes, fd * sizeof(std::uint64_t)).value_or(0);
    if (file != 0) facts.files.push_back(read_file(paths, fd, VirtAddr{file}));
  }
}

}  // namespace

TaskFilesFacts task_files(const PathReader& paths, VirtAddr task) {
  const FieldReader& fields = paths.fields();
  TaskFilesFacts facts;
  facts.task = task;
  const auto name = [&](std::optional<VirtAddr> object, std::string_view member) {
    const auto place = object ? fields.place(*object, member) : std::nullopt;
    const auto path = place ? paths.path_at(*place) : std::nullopt;
    return path ? paths.name(*path) : std::string();
  };
  const auto fs = fields.pointer(task, "task_struct.fs");
  facts.root = name(fs, "fs_struct.root");
  facts.directory = name(fs, "fs_struct.pwd");
  if (const auto mm = fields.pointer(task, "task_struct.mm")) {
    facts.executable = name(fields.pointer(*mm, "mm_struct.exe_file"), "file.f_path");
  }
  if (const auto files = fields.pointer(task, "task_struct.files")) {
    read_descriptors(paths, *files, facts);
  } else {
    facts.problems.emplace_back("it has no table of descriptors (any more)");
  }
  return facts;
}

}  // namespace rig::analyzer
