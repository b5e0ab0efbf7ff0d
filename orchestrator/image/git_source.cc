// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/process.h"
#include "base/text.h"
#include "image/archive_io.h"
#include "image/content_hash.h"
#include "image/kernel_source.h"
#include "image/modes.h"

namespace rig::image {
namespace {

constexpr std::size_t kCommitDigits = 40;

Command git(const fs::path& repository, std::vector<std::string> arguments) {
  Command command{
      "git", {"-C", repository.string()}, {}, {{"LC_ALL", "C"}, {"GIT_TERMINAL_PROMPT", "0"}}};
  command.args.insert(command.args.end(), arguments.begin(), arguments.end());
  return command;
}

RunOptions patience(const FetchOptions& options, std::chrono::minutes time) {
  return {.deadline = Deadline::after(time), .stop = options.stop};
}

bool is_url(const std::string& repository) {
  return repository.find("://") != std::string::npos;
}

std::optional<std::string> commit_of(const fs::path& repository, const std::string& revision,
                                     const FetchOptions& options) {
  const auto done = run(git(repository, {"rev-parse", "--verify", "--quiet", "--end-of-options",
                                         revision + "^{commit}"}),
                        patience(options, std::chrono::minutes(1)));
  if (!done || !done->ok()) return std::nullopt;
  std::string commit(trim(done->out));
  return commit.size() >= kCommitDigits ? std::optional(commit) : std::nullopt;
}

bool is_commit(const std::string& revision) {
  return revision.size() == kCommitDigits &&
         revision.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// A repository of our own for what is far away: only the revisions that were asked for.
Result<fs::path> fetch_far(const scenario::KernelSpec& spec, const FetchOptions& options) {
  RIG_ASSIGN(const fs::path cache, cache_dir());
  const std::string name = ContentHash().add(spec.repository).finish().substr(0, 12);
  const fs::path folder = cache / "sources" / ("git-" + name);
  RIG_TRY(make_folder(folder));
  RIG_ASSIGN(const FileLock lock,
             FileLock::acquire(cache / "sources" / ("git-" + name + ".lock"),
                               Deadline::after(std::chrono::minutes(60)), options.stop));
  RIG_TRY(run_ok(git(folder, {"init", "--quiet", "--bare"}),
                 patience(options, std::chrono::minutes(1))));
  // A commit stays what it is; a branch or tag is asked for anew.
  if (is_commit(spec.revision) && commit_of(folder, spec.revision, options)) return folder;
  tell(options.progress, {fmt::format("fetch {} of {}", spec.revision, spec.repository), {}, ""});
  const auto fetched =
      run_ok(git(folder, {"fetch", "--quiet", "--depth=1", "--force", "--end-of-options",
                          spec.repository, fmt::format("{0}:refs/crashrig/{0}", spec.revision)}),
             patience(options, std::chrono::minutes(60)));
  if (fetched) return folder;
  if (fetched.error().blame == Blame::kCancelled) return tl::unexpected<Error>(fetched.error());
  // Without the network, what was fetched before is still there.
  if (commit_of(folder, "refs/crashrig/" + spec.revision, options)) return folder;
  return fail(Blame::kInput, "{}: {} has no revision {}, or cannot be reached: {}", spec.name,
              spec.repository, spec.revision, fetched.error().what);
}

Status export_tree(const fs::path& repository, const std::string& commit, const fs::path& folder,
                   const FetchOptions& options) {
  tell(options.progress,
       {fmt::format("export {} of {}", commit.substr(0, 12), repository.filename().string()),
        {},
        ""});
  const fs::path tar = folder / ".export.tar";
  RIG_TRY(run_ok(git(repository, {"archive", "--format=tar", "-o", tar.string(), commit}),
                 patience(options, std::chrono::minutes(30))));
  RIG_TRY(unpack_tar(tar, folder, {{}, {}, options.stop}));
  std::error_code ignored;
  fs::remove(tar, ignored);
  return {};
}

}  // namespace

Result<KernelSource> find_git_source(const scenario::KernelSpec& spec,
                                     const FetchOptions& options) {
  RIG_TRY(find_program("git", "git"));
  fs::path repository = spec.repository;
  std::string revision = spec.revision;
  if (is_url(spec.repository)) {
    RIG_ASSIGN(repository, fetch_far(spec, options));
    if (!is_commit(revision)) revision = "refs/crashrig/" + revision;
  } else if (repository.is_relative()) {
    repository = spec.file.parent_path() / repository;
  }
  std::error_code error;
  if (!fs::is_directory(repository, error)) {
    return fail(Blame::kInput, "{}: no git repository {}", spec.name, repository.string());
  }
  const auto commit = commit_of(repository, revision, options);
  if (!commit) {
    return fail_hint(Blame::kInput, fmt::format("git -C {} fetch", repository.string()),
                     "{}: {} has no revision {}", spec.name, repository.string(), spec.revision);
  }
  const PackageVersion version{"linux.git", commit->substr(0, 16)};
  return KernelSource{version, [=]() -> Result<fs::path> {
                        return source_folder(version, options, [&](const fs::path& folder) {
                          return export_tree(repository, *commit, folder, options);
                        });
                      }};
}

}  // namespace rig::image
