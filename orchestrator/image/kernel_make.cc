// SPDX-License-Identifier: Apache-2.0
#include "image/kernel_make.h"

#include <sys/resource.h>

#include <algorithm>
#include <sstream>
#include <thread>

#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "image/describe_kernel.h"
#include "image/kconfig.h"
#include "image/modes.h"
#include "image/toolchain.h"

namespace rig::image {
namespace {

constexpr auto kConfigTime = std::chrono::minutes(10);
constexpr auto kBuildTime = std::chrono::hours(12);
constexpr std::string_view kKernelCompiler = "gcc-12";  // Debian 12's own kernels' too

// Programs that the kernel's build runs, and the packages that have them.
struct Needed {
  const char* program;
  const char* package;
};
constexpr Needed kNeeded[] = {{"make", "make"},    {"flex", "flex"},      {"bison", "bison"},
                              {"bc", "bc"},        {"pahole", "dwarves"}, {"perl", "perl"},
                              {"cpio", "cpio"},    {"gzip", "gzip"},      {"xz", "xz-utils"},
                              {"gcc-12", "gcc-12"}};
constexpr Needed kNeededFiles[] = {{"/usr/include/gelf.h", "libelf-dev"},
                                   {"/usr/include/openssl/opensslv.h", "libssl-dev"}};

double children_cpu_seconds() {
  rusage usage{};
  if (::getrusage(RUSAGE_CHILDREN, &usage) != 0) return 0;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// What a build has cost that was interrupted: "seconds cpu_seconds", beside its objects.
fs::path cost_file(const KernelMake& make) {
  return make.objects / ".cost";
}
Compiled cost_of_earlier_parts(const KernelMake& make) {
  Compiled cost;
  std::istringstream text(read_file(cost_file(make)).value_or(""));
  if (!(text >> cost.seconds >> cost.cpu_seconds)) return {};
  return cost;
}

std::vector<std::pair<std::string, std::string>> environment(const KernelMake& make) {
  std::vector<std::pair<std::string, std::string>> all = {
      {"MAKEFLAGS", ""},
      {"MFLAGS", ""},
      {"LC_ALL", "C"},
      // The same input gives the same kernel, wherever and whenever it is built.
      {"KBUILD_BUILD_USER", "crashrig"},
      {"KBUILD_BUILD_HOST", "crashrig"},
      {"KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970"},
      {"KBUILD_BUILD_VERSION", "1"}};
  if (!make.tools.ccache) return all;
  const auto cache = cache_dir();
  if (std::getenv("CCACHE_DIR") == nullptr && cache) {
    all.emplace_back("CCACHE_DIR", (*cache / "ccache").string());
    all.emplace_back("CCACHE_MAXSIZE", "5G");
  }
  all.emplace_back("CCACHE_BASEDIR", make.objects.string());
  all.emplace_back("CCACHE_NOHASHDIR", "1");
  // The compiler's own list of includes instead of a second run of the preprocessor.
  all.emplace_back("CCACHE_DEPEND", "1");
  return all;
}

Command command(const KernelMake& make, std::vector<std::string> arguments) {
  const std::string prefix = make.tools.ccache ? "ccache " : "";
  Command all{
      "make",
      {"-C", make.source.string(), "O=" + make.objects.string(),
       fmt::format("ARCH={}", toolchain(make.arch).kbuild), "CROSS_COMPILE=" + make.tools.cross,
       fmt::format("CC={}{}{}", prefix, make.tools.cross, make.tools.compiler),
       fmt::format("HOSTCC={}gcc-12", prefix),
       // No "+" at the end of the release, whatever git says of the tree.
       "LOCALVERSION=",
       // Where it was built means nothing to who reads a line table. Types, lines and inlined calls
       // are what is wanted of DWARF: where optimised variables lie costs a sixth of the build.
       fmt::format("KCFLAGS=-fno-var-tracking -fdebug-prefix-map={}=/usr/src/linux "
                   "-fdebug-prefix-map={}=/usr/src/linux",
                   make.source.string(), make.objects.string())},
      {},
      environment(make)};
  all.args.insert(all.args.end(), arguments.begin(), arguments.end());
  return all;
}

// Is it the machine that failed, and not the source?
bool is_machines_fault(const Completed& done) {
  return done.exit_code > 128 || done.err.find("No space left on device") != std::string::npos ||
         done.err.find("Cannot allocate memory") != std::string::npos ||
         done.err.find("Killed") != std::string::npos;
}

// Counts what is compiled, and tells how far it is and how long it will take.
class BuildProgress {
 public:
  BuildProgress(const KernelMake& make, const FetchOptions& fetch, std::uint64_t expected)
      : step_(fmt::format("build {} for {}", make.called, to_string(make.arch))),
        fetch_(fetch),
        expected_(std::max<std::uint64_t>(expected, 1)) {}

  void line(std::string_view text) {
    const std::string_view content = trim(text);
    if (content.starts_with("CC ") || content.starts_with("AS ") ||
        content.starts_with("HOSTCC ")) {
      if (!content.starts_with("HOSTCC ")) ++objects_;
      tell_now(false, "");
    } else if (content.starts_with("LD ") && content.ends_with("vmlinux.o")) {
      tell_now(true, "link");
    } else if (content.starts_with("BTF ")) {
      tell_now(true, "types (BTF)");
    } else if (content.starts_with("KSYMS ") || content.starts_with("LD      vmlinux")) {
      tell_now(true, "link, symbols");
    }
  }

  std::uint64_t objects() const { return objects_; }

 private:
  void tell_now(bool always, std::string_view phase) {
    if (!always && Clock::now() < next_) return;
    next_ = Clock::now() + std::chrono::milliseconds(500);
    const double part =
        std::min(0.99, static_cast<double>(objects_) / static_cast<double>(expected_));
    std::string detail = phase.empty() ? fmt::format("{} of about {} files", objects_, expected_)
                                       : std::string(phase);
    const double elapsed = watch_.seconds();
    if (phase.empty() && part > 0.02) {
      detail += fmt::format(", about {} left", human_seconds(elapsed / part * (1 - part)));
    }
    tell(fetch_.progress, {step_, part, detail});
  }

  std::string step_;
  const FetchOptions& fetch_;
  std::uint64_t expected_;
  std::uint64_t objects_ = 0;
  Stopwatch watch_;
  Clock::time_point next_{};
};

// How many files it will be, for a kernel that was never built: they grow with the options.
std::uint64_t guess_objects(const Config& config) {
  constexpr double kFilesPerOption = 1.8;  // arm64 1.7, x86_64 2.0
  return static_cast<std::uint64_t>(kFilesPerOption * static_cast<double>(config.enabled()));
}

Result<Config> read_config(const KernelMake& make) {
  RIG_ASSIGN(const std::string text, read_file(make.objects / ".config"));
  return Config(text);
}

tl::unexpected<Error> explain(const KernelMake& make, const std::vector<ConfigOption>& wrong,
                              const Config& config) {
  const auto kconfig = Kconfig::read(make.source, toolchain(make.arch).kbuild);
  std::string text;
  constexpr std::size_t kConfigPrefix = std::string_view("CONFIG_").size();
  for (const ConfigOption& option : wrong) {
    const std::string reason =
        kconfig ? kconfig->why_not(option.name.substr(kConfigPrefix), option.value, config)
                : "the Kconfig files cannot be read";
    text += fmt::format("\n{}: {}={} became {}: {}", option.place, option.name, option.value,
                        config.value(option.name), reason);
  }
  return fail_hint(Blame::kInput, "add what it depends on to a fragment, or leave it out",
                   "{}: {} not what the fragments ask for ({}):{}", make.called,
                   wrong.size() == 1 ? "an option is" : fmt::format("{} options are", wrong.size()),
                   to_string(make.arch), text);
}

}  // namespace

Result<KernelTools> find_kernel_tools(Arch arch) {
  KernelTools tools;
  tools.compiler = kKernelCompiler;
  const bool is_cross = arch != host_arch();
  if (is_cross) tools.cross = toolchain(arch).cross;
  std::vector<std::string> packages, names;
  for (const Needed& needed : kNeeded) {
    if (find_program(needed.program, needed.package)) continue;
    packages.emplace_back(needed.package);
    names.emplace_back(needed.program);
  }
  std::error_code error;
  for (const Needed& needed : kNeededFiles) {
    const fs::path file = needed.program;
    // OpenSSL's lies below the architecture's folder in some releases, and so would libelf's.
    if (fs::exists(file, error)) continue;
    packages.emplace_back(needed.package);
    names.push_back(file.filename().string());
  }
  const auto compiler = find_program(tools.cross + tools.compiler, "");
  if (!compiler) {
    packages.push_back(tools.compiler + (is_cross ? std::string(toolchain(arch).package) : ""));
    names.push_back(tools.cross + tools.compiler);
  }
  if (!packages.empty()) {
    return fail_hint(
        Blame::kRig,
        fmt::format("apt-get install --no-install-recommends {}", fmt::join(packages, " ")),
        "to build kernels this machine lacks {}", fmt::join(names, ", "));
  }
  const fs::path file = fs::canonical(*compiler, error);
  tools.fingerprint = fmt::format("{} {}", file.filename().string(), fs::file_size(file, error));
  tools.ccache = find_program("ccache", "ccache").has_value();
  return tools;
}

std::string build_error(std::string_view output) {
  constexpr std::size_t kMostLines = 40;
  std::vector<std::string> kept;
  bool is_error = false;
  for (const std::string& line : split(output, '\n')) {
    if (line.starts_with("make: ") || line.starts_with("make[") || line.empty()) continue;
    is_error = is_error || line.find("rror") != std::string::npos ||
               line.find("***") != std::string::npos ||
               line.find("undefined reference") != std::string::npos;
    if (is_error) kept.push_back(line);
    if (kept.size() == kMostLines) break;
  }
  if (kept.empty()) {
    for (const std::string& line : split(output, '\n')) kept.push_back(line);
    if (kept.size() > kMostLines) kept.erase(kept.begin(), kept.end() - kMostLines);
  }
  return fmt::format("{}", fmt::join(kept, "\n"));
}

fs::path boot_image_path(Arch arch) {
  return arch == Arch::kX86_64 ? "arch/x86/boot/bzImage" : "arch/arm64/boot/Image";
}

Result<std::string> run_make(const KernelMake& make, std::vector<std::string> arguments,
                             const FetchOptions& fetch) {
  const std::string target = arguments.back();
  RIG_ASSIGN(const Completed done,
             run(command(make, std::move(arguments)),
                 {.deadline = Deadline::after(kConfigTime), .stop = fetch.stop}));
  if (done.ok()) return done.out;
  return fail(is_machines_fault(done) ? Blame::kRig : Blame::kInput, "{}: make {} failed:\n{}",
              make.called, target, build_error(done.err.empty() ? done.out : done.err));
}

Status configure_kernel(const KernelMake& make, const std::string& base,
                        const std::vector<ConfigOption>& options, const FetchOptions& fetch) {
  RIG_TRY(make_folder(make.objects));
  const fs::path wanted = make.objects / "fragments.config";
  const std::string text = config_text(options);
  std::error_code error;
  // Untouched when it is there already: make would take a newer file for a reason to compile anew.
  const bool is_configured =
      read_file(wanted).value_or("") == text && fs::exists(make.objects / ".config", error);
  if (!is_configured) {
    tell(fetch.progress,
         {fmt::format("configure {} for {}", make.called, to_string(make.arch)), {}, ""});
    fs::remove(make.objects / ".config", error);
    RIG_TRY(write_file_atomically(wanted, text));
    if (base != "allnoconfig") {
      RIG_TRY(run_make(make, {base}, fetch));
      RIG_ASSIGN(const std::string plain, read_file(make.objects / ".config"));
      RIG_TRY(write_file_atomically(make.objects / ".config", plain + text));
      RIG_TRY(run_make(make, {"olddefconfig"}, fetch));
    } else {
      RIG_TRY(run_make(make, {"KCONFIG_ALLCONFIG=" + wanted.string(), base}, fetch));
    }
  }
  RIG_ASSIGN(const Config config, read_config(make));
  const auto wrong = not_as_asked(options, config);
  if (wrong.empty()) return {};
  return explain(make, wrong, config);
}

Result<Compiled> compile_kernel(const KernelMake& make, const FetchOptions& fetch) {
  RIG_ASSIGN(const Config config, read_config(make));
  BuildProgress progress(
      make, fetch, make.expected_objects != 0 ? make.expected_objects : guess_objects(config));
  const Stopwatch watch;
  const double cpu_before = children_cpu_seconds();
  RunOptions options{.deadline = Deadline::after(kBuildTime), .stop = fetch.stop};
  options.on_line = [&](std::string_view line) { progress.line(line); };
  const unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
  const auto ended = run(command(make, {fmt::format("-j{}", jobs),
                                        boot_image_path(make.arch).filename().string(), "modules"}),
                         options);
  Compiled compiled = cost_of_earlier_parts(make);
  compiled.objects = progress.objects();
  compiled.seconds += watch.seconds();
  compiled.cpu_seconds += children_cpu_seconds() - cpu_before;
  if (!ended || !ended->ok()) {
    RIG_TRY(write_file_atomically(
        cost_file(make), fmt::format("{:.3f} {:.3f}\n", compiled.seconds, compiled.cpu_seconds)));
  }
  RIG_ASSIGN(const Completed done, ended);
  if (!done.ok()) {
    return fail_hint(is_machines_fault(done) ? Blame::kRig : Blame::kInput,
                     "the build goes on where it was when it is asked for again",
                     "{} does not build for {}:\n{}", make.called, to_string(make.arch),
                     build_error(done.err));
  }
  return compiled;
}

}  // namespace rig::image
