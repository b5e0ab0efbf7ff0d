// SPDX-License-Identifier: Apache-2.0
#include "vm/loop.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/confinement.h"
#include "vm/child.h"

namespace rig::vm {
namespace {

// While it lives, this process may open `more` descriptors and no more.
class FewDescriptors {
 public:
  explicit FewDescriptors(int more) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit limit = before_;
    const int lowest_free = UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)).get();
    limit.rlim_cur = static_cast<rlim_t>(lowest_free + more);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(Loop, WithoutDescriptorsThereIsAnErrorAndNoException) {
  for (int more = 0; more < 2; ++more) {
    const FewDescriptors few(more);
    const auto loop = Loop::create();
    ASSERT_FALSE(loop);
    EXPECT_EQ(loop.error().blame, Blame::kRig);
    EXPECT_THAT(loop.error().hint, testing::HasSubstr("ulimit -n"));
  }
}

TEST(Channel, DescriptorThatCannotBeWatchedIsAnError) {
  Loop loop = Loop::create().value();
  const auto channel = Channel::create(loop, UniqueFd(), {.on_bytes = [](std::string_view) {}});
  ASSERT_FALSE(channel);
  EXPECT_THAT(channel.error().what, testing::HasSubstr("Bad file descriptor"));
}

TEST(Child, StartsOrSaysThatDescriptorsRanOut) {
  Loop loop = Loop::create().value();
  bool started = false;
  int failed = 0;
  for (int more = 0; more < 40 && !started; ++more) {
    std::optional<FewDescriptors> few(more);
    const auto child = Child::start(loop, {"sleep", {"60"}, {}, {}}, {});
    few.reset();
    started = child.has_value();
    if (started) continue;
    ++failed;
    EXPECT_THAT(child.error().hint, testing::HasSubstr("ulimit -n")) << child.error().what;
  }
  EXPECT_TRUE(started);
  EXPECT_GT(failed, 2);
}

// What /proc/self/status and the limits of a program started so say.
std::string told_by(const Confinement& confinement) {
  Loop loop = Loop::create().value();
  const Command command{
      "sh",
      {"-c",
       "grep -E '^(Uid|Groups|NoNewPrivs)' /proc/self/status; ulimit -c; ulimit -f; ulimit -v"},
      {},
      {}};
  const auto child = Child::start(loop, command, {}, confinement);
  if (!child) return child.error().message();
  loop.run_until([&] { return !(*child)->alive(); }, Deadline::after(std::chrono::seconds(20)));
  return (*child)->output();
}

TEST(Child, GetsOnlyWhatItsConfinementLeaves) {
  constexpr std::uint64_t kMemory = 1 << 30;
  constexpr std::uint64_t kFile = 1 << 20;
  const std::string told = told_by({.address_space = kMemory, .file_size = kFile});
  EXPECT_THAT(told, testing::HasSubstr("NoNewPrivs:\t1\n"));
  // Cores, and in their units files (512 bytes) and memory (1 KiB).
  EXPECT_THAT(told, testing::EndsWith(fmt::format("\n0\n{}\n{}\n", kFile / 512, kMemory / 1024)));
  EXPECT_THAT(told, testing::HasSubstr(fmt::format("Uid:\t{}\t", ::getuid())));
}

TEST(Child, OfRootBecomesNobodyWhereAsked) {
  const auto account = unprivileged_account();
  ASSERT_EQ(account.has_value(), ::geteuid() == 0);
  const uid_t user = account ? account->user : ::getuid();
  const std::string told = told_by({.account = account, .device_group = 4242});
  EXPECT_THAT(told, testing::HasSubstr(fmt::format("Uid:\t{0}\t{0}\t{0}\t{0}\n", user)));
  EXPECT_EQ(told.find("Groups:\t4242 \n") != std::string::npos, account.has_value()) << told;
}

}  // namespace
}  // namespace rig::vm
