// SPDX-License-Identifier: Apache-2.0
// A kernel description: one YAML file of kernels/. image/ knows how to get what it describes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace rig::scenario {

// How the guest enters the kernel on x86_64.
enum class Entry {
  kVmlinux,  // the decompressed ELF through PVH: 3 s quicker under TCG, no KASLR of the text
  kBzImage,  // as the distribution's boot loader would: decompressor, KASLR
};

// Their names in scenarios and records: `boot: kaslr`.
struct NamedEntry {
  std::string_view name;
  Entry entry;
};
inline constexpr NamedEntry kEntries[] = {{"direct", Entry::kVmlinux}, {"kaslr", Entry::kBzImage}};
// How a kernel that is built is configured: make's target `base`, and the fragments merged onto it
// in their order. Of each, `NAME.config` and, where there is one, `NAME-ARCH.config` belong to it.
struct KernelConfig {
  std::string base = "allnoconfig";
  std::vector<std::string> fragments = {};
  std::vector<fs::path> folders = {};  // where they are looked for: the first that has one counts
};

struct KernelSpec {
  fs::path file;
  std::string name;                // "debian-6.1", the file's name without .yaml
  std::string provider;            // "debian", "source", "git" or "tree"
  std::string series;              // "6.1": linux-image-6.1.0-NN-ARCH, or linux-source-6.1
  std::optional<std::string> abi;  // "6.1.0-47" pins; absent: the newest, through the meta package
  Entry entry = Entry::kVmlinux;
  bool oldest = false;          // the oldest ABI that the archive has
  KernelConfig config = {};     // of source and git
  std::string repository = {};  // of git: a path or URL
  std::string revision = {};    // of git: whatever git rev-parse takes
  fs::path build = {};          // of tree: the folder that make was run in
};

// The file of fragment NAME for one architecture, or for all where `arch` is empty; nothing where
// there is none.
std::optional<fs::path> fragment_file(const KernelConfig& config, std::string_view name,
                                      std::string_view arch);

// The names that `folder` has a description for, sorted.
std::vector<std::string> kernel_names(const fs::path& folder);

// How a kernel is named: "debian-6.1", "debian-6.1@6.1.0-47" to pin the ABI (or "@oldest",
// "@newest" of the archive), a path to a YAML file, with or without the pin, or "build:PATH" for a
// tree that make was run in.
struct KernelReference {
  std::string name;  // or the path
  std::optional<std::string> abi;
  bool is_path = false;
  bool is_build = false;  // the path is that of a built tree
};
KernelReference parse_kernel_reference(const std::string& reference);

// As cells and records call it: "/x/my.yaml@6.1.0-47" is "my@6.1.0-47", "build:/x/linux" is
// "build-linux".
std::string kernel_name(const std::string& reference);

// The reference with its path made absolute: the first of `bases` that has the file. A name stays
// as it is. Blame::kInput when none has it.
Result<std::string> absolute_kernel(const std::string& reference,
                                    const std::vector<fs::path>& bases);

// Is there such a kernel? The error is the one that load_kernel_spec() gives.
Status check_kernel_name(const std::string& name, const fs::path& folder);

// `name` is a KernelReference; a relative path starts from the working directory. An unknown name
// is an error that lists the names in `folder`.
Result<KernelSpec> load_kernel_spec(const std::string& name, const fs::path& folder);

}  // namespace rig::scenario
