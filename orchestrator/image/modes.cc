// SPDX-License-Identifier: Apache-2.0
#include "image/modes.h"

namespace rig::image {

namespace {

constexpr auto kFolder = fs::perms(0755);
constexpr auto kProgram = fs::perms(0755);
constexpr auto kFile = fs::perms(0644);

}  // namespace

Status make_folder(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return {};
  if (path.has_relative_path() && path.has_parent_path()) RIG_TRY(make_folder(path.parent_path()));
  // Another run may have made it meanwhile: then the modes are its business.
  if (fs::create_directory(path, error) && !error) fs::permissions(path, kFolder, error);
  if (!error) return {};
  return fail(Blame::kRig, "cannot create {}: {}", path.string(), error.message());
}

Status set_modes(const fs::path& root) {
  std::error_code error;
  fs::permissions(root, kFolder, error);
  auto walk = fs::recursive_directory_iterator(root, error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    const fs::file_status status = walk->symlink_status(error);
    if (error) break;
    const bool folder = fs::is_directory(status);
    if (!folder && !fs::is_regular_file(status)) continue;
    const bool runs = (status.permissions() & fs::perms::owner_exec) != fs::perms::none;
    const fs::perms wanted = folder ? kFolder : runs ? kProgram : kFile;
    if (status.permissions() != wanted) fs::permissions(walk->path(), wanted, error);
  }
  if (!error) return {};
  return fail(Blame::kRig, "cannot set the modes in {}: {}", root.string(), error.message());
}

}  // namespace rig::image
