// SPDX-License-Identifier: Apache-2.0
#include "image/apt_archive.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "image/modes.h"
#include "image/toolchain.h"

namespace rig::image {
namespace {

// apt's messages are matched below: never translated.
const std::vector<std::pair<std::string, std::string>> kEnvironment = {{"LC_ALL", "C"}};

Status need_apt(std::string_view program) {
  if (find_program(program, "apt")) return {};
  return fail_hint(Blame::kRig, "run on Debian, where kernels come from the archive",
                   "cannot find the program {}", program);
}

// "dlstatus:1:12.8299:Retrieving file 1 of 2" (apt's README.progress-reporting) -> 0.128
std::optional<double> parse_progress(std::string_view line) {
  if (!line.starts_with("dlstatus:")) return std::nullopt;
  const auto fields = split(line, ':');
  if (fields.size() < 4) return std::nullopt;
  double percent = 0;
  const auto [end, error] =
      std::from_chars(fields[2].data(), fields[2].data() + fields[2].size(), percent);
  if (error != std::errc{}) return std::nullopt;
  return std::clamp(percent / 100, 0.0, 1.0);
}

// apt downloads as the user _apt, and warns when that cannot write to the folder.
void give_to_apt(const fs::path& folder) {
  if (::geteuid() != 0) return;
  passwd entry{};
  passwd* found = nullptr;
  char buffer[4096];
  if (::getpwnam_r("_apt", &entry, buffer, sizeof buffer, &found) != 0 || found == nullptr) return;
  if (::chown(folder.c_str(), found->pw_uid, static_cast<gid_t>(-1)) == 0) {
    ::chmod(folder.c_str(), 0755);
  }
}

// The lines of apt that say what went wrong: "E: Unable to locate package x".
std::string quote_errors(const Completed& done) {
  std::string quoted;
  for (const std::string& line : split(done.err, '\n')) {
    if (!line.starts_with("E: ")) continue;
    quoted += (quoted.empty() ? "" : "; ") + line.substr(3);
  }
  if (quoted.empty()) quoted = fmt::format("exit code {}", done.exit_code);
  return quoted;
}

bool is_outdated(std::string_view message) {
  constexpr std::string_view kSigns[] = {"404",
                                         "Unable to locate package",
                                         "was not found",
                                         "no candidate",
                                         "Can't find a source to download",
                                         "unexpected size",
                                         "Hash Sum mismatch"};
  return std::any_of(std::begin(kSigns), std::end(kSigns), [&](std::string_view sign) {
    return message.find(sign) != std::string_view::npos;
  });
}

}  // namespace

std::vector<Stanza> parse_stanzas(std::string_view text) {
  std::vector<Stanza> stanzas;
  Stanza current;
  std::string key;
  for (const std::string& line : split(text, '\n')) {
    if (trim(line).empty()) {
      if (!current.empty()) stanzas.push_back(std::exchange(current, {}));
      continue;
    }
    if (line.front() == ' ' || line.front() == '\t') {
      if (!key.empty()) current[key] += fmt::format(" {}", trim(line));
      continue;
    }
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    key = line.substr(0, colon);
    current[key] = trim(std::string_view(line).substr(colon + 1));
  }
  if (!current.empty()) stanzas.push_back(std::move(current));
  return stanzas;
}

std::vector<PackageRef> parse_depends(std::string_view field) {
  std::vector<PackageRef> packages;
  for (const std::string& item : split(field, ',')) {
    const std::string_view first = trim(std::string_view(item).substr(0, item.find('|')));
    const std::string_view name = first.substr(0, first.find_first_of(" ([:<"));
    if (name.empty()) continue;
    PackageRef package{std::string(name), {}};
    const auto open = first.find("(=");
    const auto close = first.find(')');
    if (open != std::string_view::npos && close != std::string_view::npos && open < close) {
      package.version = trim(first.substr(open + 2, close - open - 2));
    }
    packages.push_back(std::move(package));
  }
  return packages;
}

Result<AptArchive::Setup> AptArchive::setup_for(Arch arch) {
  Setup setup;
  setup.may_update = ::geteuid() == 0;
  if (arch == host_arch()) return setup;
  RIG_ASSIGN(const fs::path cache, cache_dir());
  setup.own = cache / fmt::format("apt-{}", toolchain(arch).debian);
  setup.lists = setup.own / "lists";
  setup.may_update = true;
  // The host's architecture stays the native one: the headers' tools have to run here.
  for (const std::string& option :
       {fmt::format("APT::Architectures::={}", toolchain(arch).debian),
        fmt::format("Dir::State::Lists={}", setup.lists.string()),
        fmt::format("Dir::Cache={}", setup.own.string()), std::string("Acquire::Languages=none")}) {
    setup.options.insert(setup.options.end(), {"-o", option});
  }
  return setup;
}

Command AptArchive::apt(std::string program, std::vector<std::string> arguments) const {
  Command command{std::move(program), std::move(arguments), {}, kEnvironment};
  command.args.insert(command.args.begin() + 1, setup_.options.begin(), setup_.options.end());
  return command;
}

std::int64_t AptArchive::lists_time() const {
  struct stat info {};
  if (::stat(setup_.lists.c_str(), &info) != 0) return 0;
  return std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

Result<std::vector<Stanza>> AptArchive::show(const std::vector<std::string>& packages) const {
  RIG_TRY(need_apt("apt-cache"));
  Command command = apt("apt-cache", {"show", "--"});
  command.args.insert(command.args.end(), packages.begin(), packages.end());
  RunOptions options{.deadline = Deadline::after(std::chrono::minutes(2)), .stop = setup_.stop};
  options.output_limit = 64 << 20;
  // It ends with 100 when a package is unknown, having shown the others.
  RIG_ASSIGN(const Completed done, run(command, options));
  if (!done.ok() && done.exit_code != 100) {
    return fail(Blame::kRig, "{}: {}", command.to_shell(), quote_errors(done));
  }
  return parse_stanzas(done.out);
}

Result<std::vector<std::string>> AptArchive::names(const std::string& prefix) const {
  RIG_TRY(need_apt("apt-cache"));
  RIG_ASSIGN(const Completed done,
             run_ok(apt("apt-cache", {"pkgnames", "--", prefix}),
                    {.deadline = Deadline::after(std::chrono::minutes(2)), .stop = setup_.stop}));
  std::vector<std::string> names;
  for (const std::string& line : split(done.out, '\n')) {
    if (line.starts_with(prefix)) names.emplace_back(trim(line));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::optional<std::vector<fs::path>>> AptArchive::download(
    const std::vector<PackageRef>& packages, const fs::path& folder,
    const std::function<void(double)>& on_progress) const {
  RIG_TRY(need_apt("apt-get"));
  give_to_apt(folder);
  Command command =
      apt("apt-get", {"download", "-o", "APT::Status-Fd=1", "-o", "Acquire::Retries=3", "-o",
                      "Acquire::http::Timeout=30", "-o", "Acquire::https::Timeout=30", "--"});
  command.directory = folder;
  for (const PackageRef& package : packages) command.args.push_back(package.to_string());
  RunOptions options{.deadline = Deadline::after(std::chrono::minutes(60)), .stop = setup_.stop};
  options.on_line = [&](std::string_view line) {
    const auto fraction = parse_progress(line);
    if (fraction && on_progress) on_progress(*fraction);
  };
  RIG_ASSIGN(const Completed done, run(command, options));
  if (!done.ok()) {
    const std::string errors = quote_errors(done);
    if (is_outdated(errors)) return std::nullopt;
    return fail_hint(Blame::kRig, "is the archive reachable, and space left?",
                     "cannot download {}: {}", packages.front().name, errors);
  }
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".deb") files.push_back(entry.path());
  }
  if (files.size() != packages.size()) {
    return fail(Blame::kRig, "apt-get download brought {} packages of {} into {}", files.size(),
                packages.size(), folder.string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Status AptArchive::update() const {
  if (!setup_.may_update) {
    return fail_hint(Blame::kRig, "sudo apt-get update",
                     "apt's package lists are missing or out of date");
  }
  RIG_TRY(need_apt("apt-get"));
  if (is_machines()) return update_lists();
  // apt does not wait for its own lock on the lists, but fails.
  RIG_TRY(make_folder(setup_.lists / "partial"));
  RIG_ASSIGN(const FileLock lock,
             FileLock::acquire(setup_.own / "update.lock",
                               Deadline::after(std::chrono::minutes(10)), setup_.stop));
  return update_lists();
}

Status AptArchive::update_lists() const {
  std::vector<std::string> arguments = {"update", "-q"};
  // apt's own user may not enter a cache below root's home. The signatures are checked all the
  // same.
  if (!is_machines() && ::geteuid() == 0) {
    arguments.insert(arguments.end(), {"-o", "APT::Sandbox::User=root"});
  }
  RIG_TRY(run_ok(apt("apt-get", std::move(arguments)),
                 {.deadline = Deadline::after(std::chrono::minutes(10)), .stop = setup_.stop}));
  return {};
}

}  // namespace rig::image
