// SPDX-License-Identifier: Apache-2.0
#include "vm/loop.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>

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

}  // namespace
}  // namespace rig::vm
