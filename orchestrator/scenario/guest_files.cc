// SPDX-License-Identifier: Apache-2.0
#include "scenario/guest_files.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "scenario/units.h"

namespace rig::scenario {
namespace {

// What lies there is the kernel's; nothing can be put there.
constexpr std::string_view kKernelFolders[] = {"/dev", "/proc", "/sys"};

bool is_below(std::string_view path, std::string_view folder) {
  return path == folder ||
         (path.starts_with(folder) && path.substr(folder.size()).starts_with('/'));
}

// The path in the guest without a trailing '/', or a problem.
std::optional<std::string> read_guest_path(const Field& entry, Problems& problems) {
  std::string path = entry.key;
  if (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (!path.starts_with('/') || fs::path(path).lexically_normal() != path) {
    problems.add(entry.mark, fmt::format("a path in the guest is absolute and has no '..', like "
                                         "/lib/firmware, found {}",
                                         shown(entry.key)));
    return std::nullopt;
  }
  for (const std::string_view folder : kKernelFolders) {
    if (!is_below(path, folder)) continue;
    problems.add(entry.mark,
                 fmt::format("{} is the guest kernel's own: no files can be put there", folder));
    return std::nullopt;
  }
  return path == "/" ? "" : path;
}

class FilesReader {
 public:
  explicit FilesReader(Problems& problems) : problems_(problems) {}

  void add(const fs::path& from, const std::string& to, Mark mark);
  std::vector<GuestFile> take(Mark mark);

 private:
  void add_file(const fs::path& from, const std::string& to, Mark mark);

  Problems& problems_;
  std::map<std::string, GuestFile> files_;  // by path in the guest: the same order in each run
  std::uint64_t bytes_ = 0;
};

void FilesReader::add_file(const fs::path& from, const std::string& to, Mark mark) {
  std::error_code error;
  const fs::file_status status = fs::status(from, error);
  if (!fs::is_regular_file(status)) {
    problems_.add(mark, fmt::format("{} cannot be copied: it is no file, nor a link to one",
                                    shown(from.string())));
    return;
  }
  GuestFile file{.from = from, .to = to};
  file.mode = static_cast<unsigned>(status.permissions()) & 0777u;
  file.bytes = fs::file_size(from, error);
  bytes_ += file.bytes;
  if (!files_.emplace(to, std::move(file)).second) {
    problems_.add(mark, fmt::format("two files for {} in the guest", shown(to)));
  }
}

void FilesReader::add(const fs::path& from, const std::string& to, Mark mark) {
  std::error_code error;
  if (!fs::is_directory(from, error)) return add_file(from, to, mark);
  const std::size_t before = files_.size();
  fs::recursive_directory_iterator it(from, error), end;
  for (; !error && it != end && files_.size() <= kMaxGuestFiles; it.increment(error)) {
    if (it->is_directory(error) && !it->is_symlink(error)) continue;
    add_file(it->path(), to + "/" + it->path().lexically_relative(from).string(), mark);
  }
  if (error) {
    problems_.add(mark, fmt::format("{}: {}", shown(from.string()), error.message()));
  } else if (files_.size() == before) {
    problems_.add(mark, fmt::format("there is no file in {}", shown(from.string())));
  }
}

std::vector<GuestFile> FilesReader::take(Mark mark) {
  if (files_.size() > kMaxGuestFiles) {
    problems_.add(mark, fmt::format("'files' are at most {}; a disk with an image can hold more",
                                    kMaxGuestFiles));
  }
  if (bytes_ > kMaxGuestFileBytes) {
    problems_.add(mark, fmt::format("'files' have at most {} MiB together, found {}; a disk with "
                                    "an image can hold more",
                                    kMaxGuestFileBytes >> 20, human_bytes(bytes_)));
  }
  std::vector<GuestFile> all;
  for (auto& [to, file] : files_) all.push_back(std::move(file));
  return all;
}

}  // namespace

std::vector<GuestFile> read_guest_files(const Node& node, const PathBases& bases,
                                        Problems& problems) {
  FilesReader reader(problems);
  for (const Field& entry : read_named(node, "'files'", problems)) {
    const auto to = read_guest_path(entry, problems);
    const auto from = read_text(entry.value, shown(entry.key), problems);
    if (!to || !from) continue;
    const auto path = bases.find(*from);
    if (!path) {
      problems.add(entry.value.mark, fmt::format("{} does not exist", shown(*from)));
    } else if (std::error_code error; to->empty() && !fs::is_directory(*path, error)) {
      problems.add(entry.mark, "a file needs a name in the guest, like /my.bin");
    } else {
      reader.add(*path, *to, entry.value.mark);
    }
  }
  return reader.take(node.mark);
}

}  // namespace rig::scenario
