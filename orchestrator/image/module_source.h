// SPDX-License-Identifier: Apache-2.0
// Where a module's files come from: a folder of the user's, or one of the kernel's own source with
// patches, which is built as if it were an external module.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "image/boot_image.h"
#include "image/content_hash.h"

namespace rig::image {

struct ModuleSource {
  fs::path folder;                   // the files; nobody writes there
  fs::path place;                    // where a copy of them goes: "toa", "drivers/scsi/megaraid"
  std::string name;                  // of the module to build: toa.ko
  std::vector<fs::path> files = {};  // below `folder`, sorted, without what make leaves there

  // Of the kernel's source only:
  std::string origin = {};             // "linux-source-6.1 6.1.192-2"; else empty
  std::vector<fs::path> patches = {};  // made in this order where `place` starts

  // What messages call it: the user's folder, or "drivers/scsi/megaraid of linux-source-6.1 …".
  std::string text() const;
};

// A folder with a Kbuild or Makefile.
Result<ModuleSource> module_folder(const fs::path& folder);

// Fetches the kernel's source if need be. Errors name what the source has instead.
Result<ModuleSource> module_in_tree(const Kernel& kernel, const scenario::KernelSpec& spec,
                                    const scenario::Module& module, const FetchOptions& options);

// Adds all that makes one copy different from another.
Status hash_source(const ModuleSource& source, ContentHash& hash);

// Copies the files to root/PLACE and patches them there. A patch that does not apply is
// Blame::kInput and tells which hunk of which file.
Status copy_source(const ModuleSource& source, const fs::path& root, const std::stop_token& stop);

}  // namespace rig::image
