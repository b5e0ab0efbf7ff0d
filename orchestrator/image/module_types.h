// SPDX-License-Identifier: Apache-2.0
// Types (BTF) for modules that are built against headers alone. Kbuild makes none there: a module's
// types continue those of the kernel, and headers come without the vmlinux that has them. The
// kernel's image has them too. Format: Documentation/bpf/btf.rst.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "image/boot_image.h"

namespace rig::image {

// The kernel's types within its image, be that ELF or a raw Image: the largest BTF in it. Nothing
// in one that is compressed, or was built without CONFIG_DEBUG_INFO_BTF.
std::optional<ByteView> find_types(ByteView image);

// Whether an ELF file has a section of that name.
bool has_section(ByteView elf, std::string_view name);

// Gives the built module its types, made by pahole out of its DWARF, unless it has them; `scratch`
// is a folder to work in. Returns why there are none, empty when there are: a module loads without.
Result<std::string> add_types(const Kernel& kernel, const fs::path& module, const fs::path& scratch,
                              const std::stop_token& stop);

// Moves the module's DWARF out of what is loaded: `whole` becomes the module as it was built.
// Returns why it stays, empty when it is out.
Result<std::string> strip_module(const Kernel& kernel, const fs::path& module,
                                 const fs::path& whole, const std::stop_token& stop);

}  // namespace rig::image
