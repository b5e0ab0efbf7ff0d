// SPDX-License-Identifier: Apache-2.0
#include "image/built_kernel.h"
#include "image/cache_survey.h"
#include "image/fetch_kernel.h"
#include "image/tree_kernel.h"

namespace rig::image {
namespace {

// Who supplies kernels. To add one: a function of this shape, a row here, and its keys in
// scenario/kernel_file.cc and docs/KERNELS.md.
struct Provider {
  std::string_view name;
  Result<Kernel> (*get)(const scenario::KernelSpec& spec, Arch arch, const FetchOptions& options);
};
constexpr Provider kProviders[] = {
    {"debian", fetch_debian},
    {"source", build_source_kernel},
    {"git", build_source_kernel},
    {"tree", open_tree_kernel},
};

}  // namespace

Result<Kernel> fetch_kernel(const scenario::KernelSpec& spec, Arch arch,
                            const FetchOptions& options) {
  for (const Provider& provider : kProviders) {
    if (provider.name != spec.provider) continue;
    RIG_ASSIGN(CacheUse use, use_cache());
    RIG_ASSIGN(Kernel kernel, provider.get(spec, arch, options));
    kernel.in_use = std::move(use);
    return kernel;
  }
  return fail(Blame::kInput, "{}: unknown provider '{}'", spec.file.string(), spec.provider);
}

}  // namespace rig::image
