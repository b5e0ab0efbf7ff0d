// SPDX-License-Identifier: Apache-2.0
// crashrig kernels list|fetch|build|prune: the kernels that guests boot, and the cache they are in.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>

#include "base/text.h"
#include "commands/output.h"
#include "commands/progress_line.h"
#include "commands/verbs.h"
#include "image/boot_image.h"
#include "image/cache_survey.h"
#include "image/toolchain.h"
#include "layout.h"

namespace rig::commands {
namespace {
namespace json = boost::json;

constexpr Arch kArchs[] = {Arch::kX86_64, Arch::kArm64};

struct KernelsArguments {
  std::vector<std::string> names;
  std::vector<std::string> archs;
  unsigned older_than_days = 30;
  bool all = false;
  bool dry_run = false;
  bool refresh = false;
  bool json = false;
};

std::string age(std::chrono::system_clock::time_point since) {
  const auto hours =
      std::chrono::duration_cast<std::chrono::hours>(std::chrono::system_clock::now() - since);
  if (hours.count() < 1) return "now";
  if (hours.count() < 48) return fmt::format("{} h", hours.count());
  return fmt::format("{} days", hours.count() / 24);
}

std::string built_from(const scenario::KernelSpec& spec) {
  if (spec.provider == "debian") {
    return fmt::format("{} {}", spec.series, spec.abi.value_or(spec.oldest ? "oldest" : "newest"));
  }
  const std::string fragments = fmt::format("{}", fmt::join(spec.config.fragments, "+"));
  if (spec.provider == "source") return fmt::format("{} {}", spec.series, fragments);
  if (spec.provider == "git") return fmt::format("{} {}", spec.revision, fragments);
  return spec.build.string();
}

Result<int> list(const KernelsArguments& arguments) {
  RIG_ASSIGN(const Layout layout, Layout::find());
  const fs::path folder = layout.root / "kernels";
  json::array rows;
  std::string text =
      fmt::format("{:<18} {:<8} {:<32} {:<7} {:<22} {:>9} {:>13}  {}\n", "KERNEL", "PROVIDER",
                  "FROM", "ARCH", "CACHED RELEASE", "SIZE", "CPU TO BUILD", "LAST USED");
  for (const std::string& name : scenario::kernel_names(folder)) {
    RIG_ASSIGN(const auto spec, scenario::load_kernel_spec(name, folder));
    for (const Arch arch : kArchs) {
      RIG_ASSIGN(const auto cached, image::find_cached(spec, arch));
      json::object row{{"name", name},
                       {"provider", spec.provider},
                       {"from", built_from(spec)},
                       {"arch", to_string(arch)},
                       {"cached", nullptr}};
      if (cached) {
        row["cached"] = json::object{{"release", cached->release},
                                     {"package", cached->package},
                                     {"version", cached->version},
                                     {"folder", cached->folder.string()},
                                     {"bytes", cached->bytes},
                                     {"used", std::chrono::system_clock::to_time_t(cached->used)},
                                     {"build_cpu_seconds", cached->cpu_seconds}};
      }
      rows.push_back(std::move(row));
      text +=
          fmt::format("{:<18} {:<8} {:<32} {:<7} {:<22} {:>9} {:>13}  {}\n", name, spec.provider,
                      built_from(spec), to_string(arch), cached ? cached->release : "-",
                      cached ? human_bytes(cached->bytes) : "-",
                      cached && cached->cpu_seconds > 0 ? human_seconds(cached->cpu_seconds) : "-",
                      cached ? age(cached->used) : "-");
    }
  }
  RIG_TRY(
      print_out(arguments.json ? json::serialize(json::object{{"kernels", rows}}) + "\n" : text));
  return kAsExpected;
}

Result<std::vector<Arch>> wanted_archs(const KernelsArguments& arguments) {
  std::vector<Arch> archs;
  for (const std::string& name : arguments.archs) {
    const auto arch = parse_arch(name);
    if (!arch) return fail(Blame::kInput, "--arch: '{}' is neither x86_64 nor arm64", name);
    archs.push_back(*arch);
  }
  if (archs.empty()) archs.push_back(image::host_arch());
  return archs;
}

json::object describe(const image::Kernel& kernel, double seconds) {
  return {{"name", kernel.name},
          {"arch", to_string(kernel.arch)},
          {"release", kernel.release},
          {"package", kernel.package},
          {"version", kernel.version},
          {"boot_file", kernel.boot_file.string()},
          {"modules", kernel.modules.string()},
          {"build", kernel.build.string()},
          {"debuginfo", kernel.debuginfo.string()},
          {"seconds", seconds}};
}

std::string as_text(const image::Kernel& kernel, double seconds) {
  std::string text = fmt::format(
      "{} for {}: {} ({} {}), ready in {}\n  boots         {}\n  modules       {}\n"
      "  build against {}\n",
      kernel.name, to_string(kernel.arch), kernel.release, kernel.package, kernel.version,
      human_seconds(seconds), kernel.boot_file.string(), kernel.modules.string(),
      kernel.build.string());
  if (!kernel.debuginfo.empty()) {
    text += fmt::format("  debuginfo     {}\n", kernel.debuginfo.string());
  }
  return text;
}

// Has each of the kernels in the cache afterwards, for each architecture.
Result<int> get(const KernelsArguments& arguments, bool must_build, const Context& context) {
  RIG_ASSIGN(const Layout layout, Layout::find());
  RIG_ASSIGN(const auto archs, wanted_archs(arguments));
  json::array rows;
  for (const std::string& name : arguments.names) {
    RIG_ASSIGN(const std::string reference, scenario::absolute_kernel(name, {""}));
    RIG_ASSIGN(const auto spec, scenario::load_kernel_spec(reference, layout.root / "kernels"));
    if (must_build && spec.provider != "source" && spec.provider != "git") {
      return fail_hint(Blame::kInput, fmt::format("crashrig kernels fetch {}", name),
                       "the kernel {} is not built here: its provider is {}", name, spec.provider);
    }
    for (const Arch arch : archs) {
      const Stopwatch watch;
      Result<image::Kernel> kernel = fail(Blame::kRig, "nothing done");
      {
        ProgressLine line(stderr, draws(stderr));
        image::FetchOptions options;
        options.progress = [&](const Progress& progress) { line.show(progress); };
        options.stop = context.stop;
        options.refresh = arguments.refresh;
        options.warn = [&](std::string_view text) { line.note(text); };
        kernel = image::fetch_kernel(spec, arch, options);
      }
      if (!kernel) return tl::unexpected<Error>(std::move(kernel).error());
      if (!arguments.json) RIG_TRY(print_out(as_text(*kernel, watch.seconds())));
      rows.push_back(describe(*kernel, watch.seconds()));
    }
  }
  if (arguments.json) {
    RIG_TRY(print_out(json::serialize(json::object{{"kernels", rows}}) + "\n"));
  }
  return kAsExpected;
}

Result<int> prune(const KernelsArguments& arguments, const Context& context) {
  image::PruneOptions options;
  options.older_than = std::chrono::hours(arguments.all ? 0 : 24 * arguments.older_than_days);
  options.dry_run = arguments.dry_run;
  options.stop = context.stop;
  RIG_ASSIGN(const auto pruned, image::prune_cache(options));
  json::array rows;
  std::string text;
  std::uint64_t freed = 0;
  for (const image::Pruned& each : pruned) {
    const char* what = each.kept ? "kept, in use" : arguments.dry_run ? "would go" : "removed";
    if (!each.kept) freed += each.bytes;
    text += fmt::format("{:<13} {:>9}  {}\n", what, human_bytes(each.bytes), each.path.string());
    rows.push_back({{"path", each.path.string()}, {"bytes", each.bytes}, {"removed", !each.kept}});
  }
  text += fmt::format("{} {}\n", arguments.dry_run ? "would free" : "freed", human_bytes(freed));
  const json::object whole{{"pruned", rows}, {"bytes", freed}, {"dry_run", arguments.dry_run}};
  RIG_TRY(print_out(arguments.json ? json::serialize(whole) + "\n" : text));
  return kAsExpected;
}

}  // namespace

Action declare_kernels(CLI::App& app) {
  auto arguments = std::make_shared<KernelsArguments>();
  app.require_subcommand(1);
  const auto add = [&](const char* name, const char* what) {
    CLI::App* sub = app.add_subcommand(name, what);
    sub->add_flag("--json", arguments->json, "print one JSON document");
    return sub;
  };
  const auto add_getter = [&](const char* name, const char* what) {
    CLI::App* sub = add(name, what);
    sub->add_option("NAME", arguments->names,
                    "names in kernels/, NAME@ABI, NAME@oldest, description files, build:PATH")
        ->required();
    sub->add_option("--arch", arguments->archs, "x86_64, arm64 (a,b); by default this machine's")
        ->delimiter(',')
        ->allow_extra_args(false);
    sub->add_flag("--refresh", arguments->refresh,
                  "ask the archive anew (apt-get update, as root)");
    return sub;
  };
  CLI::App* list_verb = add("list", "the kernels that there are, and what the cache has of them");
  CLI::App* fetch_verb = add_getter("fetch", "have kernels in the cache, ready to boot");
  CLI::App* build_verb = add_getter("build", "the same, of those that are built from source");
  CLI::App* prune_verb = add("prune", "remove what was not used for a while from the cache");
  prune_verb->add_option("--older-than", arguments->older_than_days, "days since its last use")
      ->check(CLI::Range(0u, 36500u))
      ->capture_default_str();
  prune_verb->add_flag("--all", arguments->all, "whatever nobody is at work on, however new");
  prune_verb->add_flag("--dry-run", arguments->dry_run, "say what would go, and keep it");
  return [=](const Context& context) -> Result<int> {
    if (list_verb->parsed()) return list(*arguments);
    if (fetch_verb->parsed()) return get(*arguments, false, context);
    if (build_verb->parsed()) return get(*arguments, true, context);
    return prune(*arguments, context);
  };
}

}  // namespace rig::commands
