// SPDX-License-Identifier: Apache-2.0
// A kernel description: one YAML file of kernels/. image/ knows how to get what it describes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace rig::scenario {

// How the guest enters the kernel on x86_64.
enum class Entry {
  kVmlinux,  // the decompressed ELF through PVH: 3 s quicker under TCG, no KASLR of the text
  kBzImage,  // as the distribution's boot loader would: decompressor, KASLR
};

struct KernelSpec {
  fs::path file;
  std::string name;                // "debian-6.1", the file's name without .yaml
  std::string provider;            // "debian": the only one so far
  std::string series;              // "6.1": the ABIs are linux-image-6.1.0-NN-ARCH
  std::optional<std::string> abi;  // "6.1.0-47" pins; absent: the newest, through the meta package
  Entry entry = Entry::kVmlinux;
};

// The names that `folder` has a description for, sorted.
std::vector<std::string> kernel_names(const fs::path& folder);

// Is there such a kernel? The error is the one that load_kernel_spec() gives.
Status check_kernel_name(const std::string& name, const fs::path& folder);

// `name` is "debian-6.1", or "debian-6.1@6.1.0-47" to pin the ABI, or a path to a YAML file.
// An unknown name is an error that lists the names in `folder`.
Result<KernelSpec> load_kernel_spec(const std::string& name, const fs::path& folder);

}  // namespace rig::scenario
