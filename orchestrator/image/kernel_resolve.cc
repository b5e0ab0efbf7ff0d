// SPDX-License-Identifier: Apache-2.0
#include "image/kernel_resolve.h"

#include <algorithm>

#include "base/text.h"
#include "image/toolchain.h"

namespace rig::image {
namespace {

constexpr std::string_view kImagePrefix = "linux-image-";

std::string field(const Stanza& stanza, std::string_view key) {
  const auto found = stanza.find(key);
  return found != stanza.end() ? found->second : std::string();
}

// apt's name for a package of the guest's architecture.
std::string qualified(const std::string& package, Arch arch) {
  if (arch == host_arch()) return package;
  return fmt::format("{}:{}", package, toolchain(arch).debian);
}

// "linux-image-6.1.0-56-amd64" -> "6.1.0-56-amd64" when it is an ABI of the series, for the arch.
// Flavours ("6.1.0-56-rt-amd64") are other kernels: what precedes the arch is digits.
std::optional<std::string> release_of(std::string_view package, std::string_view series,
                                      Arch arch) {
  if (!package.starts_with(kImagePrefix)) return std::nullopt;
  const std::string_view release = package.substr(kImagePrefix.size());
  const std::string suffix = fmt::format("-{}", toolchain(arch).debian);
  if (!release.starts_with(fmt::format("{}.", series)) || !release.ends_with(suffix)) {
    return std::nullopt;
  }
  const std::string_view abi = release.substr(0, release.size() - suffix.size());
  if (abi.back() < '0' || abi.back() > '9') return std::nullopt;
  return std::string(release);
}

// 56 of "6.1.0-56-amd64"; newer Debian series ("6.12.43+deb13-amd64") count by their third number.
std::uint64_t abi_number(std::string_view release) {
  std::uint64_t number = 0;
  int dots = 0;
  for (const char c : release) {
    if (c >= '0' && c <= '9') {
      if (number < 1'000'000'000) number = number * 10 + static_cast<std::uint64_t>(c - '0');
    } else if (dots < 2 && c == '.') {
      ++dots;
      number = 0;
    } else if (number == 0 && c == '-') {
      continue;  // "6.1.0-56": the patch level is always 0, the ABI follows
    } else {
      break;
    }
  }
  return number;
}

struct Candidate {
  std::string release;
  std::string version;
};

// What the meta packages of the lists point to; the highest ABI where several releases have one.
Result<std::optional<Candidate>> find_newest(const scenario::KernelSpec& spec, Arch arch,
                                             const AptArchive& archive) {
  const std::string meta = fmt::format("{}{}", kImagePrefix, toolchain(arch).debian);
  RIG_ASSIGN(const auto stanzas, archive.show({qualified(meta, arch)}));
  std::optional<Candidate> newest;
  for (const Stanza& stanza : stanzas) {
    for (const PackageRef& package : parse_depends(field(stanza, "Depends"))) {
      const auto release = release_of(package.name, spec.series, arch);
      if (!release) continue;
      if (!newest || abi_number(*release) > abi_number(newest->release)) {
        newest = Candidate{*release, package.version};
      }
    }
  }
  return newest;
}

// The package's stanza with this version, or its newest.
const Stanza* pick(const std::vector<Stanza>& stanzas, const std::string& package,
                   const std::string& version) {
  const Stanza* first = nullptr;
  for (const Stanza& stanza : stanzas) {
    if (field(stanza, "Package") != package) continue;
    if (field(stanza, "Version") == version) return &stanza;
    if (first == nullptr) first = &stanza;
  }
  return first;
}

// The lowest ABI of which the lists have both image and headers: they also name ABIs that only
// others depend on, and dropped ones whose packages are there in part.
Result<std::optional<Candidate>> find_oldest(const scenario::KernelSpec& spec, Arch arch,
                                             const AptArchive& archive) {
  RIG_ASSIGN(const auto names, archive.names(fmt::format("{}{}.", kImagePrefix, spec.series)));
  std::vector<std::string> releases, packages;
  for (const std::string& name : names) {
    const auto release = release_of(name, spec.series, arch);
    if (!release) continue;
    releases.push_back(*release);
    packages.push_back(qualified(name, arch));
    packages.push_back(qualified(fmt::format("linux-headers-{}", *release), arch));
  }
  if (releases.empty()) return std::nullopt;
  std::sort(releases.begin(), releases.end(), [](const std::string& a, const std::string& b) {
    return abi_number(a) < abi_number(b);
  });
  RIG_ASSIGN(const auto stanzas, archive.show(packages));
  for (const std::string& release : releases) {
    const Stanza* image = pick(stanzas, fmt::format("{}{}", kImagePrefix, release), "");
    if (image == nullptr || pick(stanzas, fmt::format("linux-headers-{}", release), "") == nullptr)
      continue;
    return Candidate{release, field(*image, "Version")};
  }
  return std::nullopt;
}

// The headers' packages hold the tree in parts; the compiler's is empty but for its dependency.
void add_headers(const Stanza& headers, Arch arch, KernelPackages& packages) {
  packages.headers.push_back(
      {qualified(field(headers, "Package"), arch), field(headers, "Version")});
  packages.compiler = "gcc";
  for (const PackageRef& package : parse_depends(field(headers, "Depends"))) {
    constexpr std::string_view kCompiler = "linux-compiler-";
    if (package.name.starts_with(kCompiler)) {  // "linux-compiler-gcc-12-x86"
      const std::string rest = package.name.substr(kCompiler.size());
      packages.compiler = rest.substr(0, rest.rfind('-'));
    } else if (package.name.starts_with("linux-headers-") ||
               package.name.starts_with("linux-kbuild-")) {
      packages.headers.push_back(package);
    }
  }
}

bool only(std::string_view text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

}  // namespace

Status check_spec(const scenario::KernelSpec& spec) {
  if (spec.provider != "debian") {
    return fail(Blame::kInput, "{}: unknown provider '{}'; valid: debian", spec.file.string(),
                spec.provider);
  }
  if (!only(spec.series, "0123456789.")) {
    return fail(Blame::kInput, "{}: series '{}' is not like 6.1", spec.file.string(), spec.series);
  }
  if (!spec.abi) return {};
  constexpr std::string_view kAllowed = "0123456789abcdefghijklmnopqrstuvwxyz.+~-";
  if (!only(*spec.abi, kAllowed) || !spec.abi->starts_with(spec.series + ".")) {
    return fail(Blame::kInput, "{}: abi '{}' is not one of series {}, like {}.0-47", spec.name,
                *spec.abi, spec.series, spec.series);
  }
  return {};
}

std::string request_name(const scenario::KernelSpec& spec, Arch arch) {
  return fmt::format("{}-{}-{}-{}", spec.provider, spec.series,
                     spec.abi.value_or(spec.oldest ? "oldest" : "newest"), toolchain(arch).debian);
}

Result<std::optional<KernelPackages>> resolve_kernel(const scenario::KernelSpec& spec, Arch arch,
                                                     const AptArchive& archive) {
  Candidate candidate;
  if (spec.abi) {
    candidate.release = fmt::format("{}-{}", *spec.abi, toolchain(arch).debian);
  } else {
    RIG_ASSIGN(const auto chosen,
               spec.oldest ? find_oldest(spec, arch, archive) : find_newest(spec, arch, archive));
    if (!chosen) return std::nullopt;
    candidate = *chosen;
  }
  const std::string image = fmt::format("{}{}", kImagePrefix, candidate.release);
  const std::string headers = fmt::format("linux-headers-{}", candidate.release);
  RIG_ASSIGN(const auto stanzas, archive.show({qualified(image, arch), qualified(headers, arch)}));
  const Stanza* found = pick(stanzas, image, candidate.version);
  if (found == nullptr) return std::nullopt;
  const std::string version = field(*found, "Version");
  const Stanza* found_headers = pick(stanzas, headers, version);
  if (found_headers == nullptr) return std::nullopt;

  KernelPackages packages;
  packages.image = {image, version};
  packages.release = candidate.release;
  packages.image_size = parse_u64(field(*found, "Size")).value_or(0);
  packages.image_download = {qualified(image, arch), version};
  add_headers(*found_headers, arch, packages);
  return packages;
}

Error explain_unresolved(const scenario::KernelSpec& spec, Arch arch, const AptArchive& archive) {
  const std::string_view debian = toolchain(arch).debian;
  const std::string update = archive.may_update() ? "" : "sudo apt-get update";
  std::vector<std::string> abis;
  if (const auto names = archive.names(fmt::format("{}{}.", kImagePrefix, spec.series))) {
    for (const std::string& name : *names) {
      if (auto release = release_of(name, spec.series, arch)) {
        abis.push_back(release->substr(0, release->size() - debian.size() - 1));
      }
    }
  }
  if (spec.abi && !abis.empty()) {
    return {Blame::kInput,
            fmt::format("the archive has no kernel {} with headers; it has {}", *spec.abi,
                        fmt::join(abis, ", ")),
            update};
  }
  return {Blame::kRig,
          fmt::format("apt's lists have no linux-image-{} of series {}", debian, spec.series),
          update.empty() ? "are Debian's sources for it in /etc/apt/sources.list?" : update};
}

}  // namespace rig::image
