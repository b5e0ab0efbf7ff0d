// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "analyzer/inspect/ps_forms.h"
#include "analyzer/inspect/task_choice.h"

namespace rig::analyzer {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

TaskFacts task(std::uint64_t pid, std::string comm, std::uint64_t at, std::uint64_t parent) {
  TaskFacts facts;
  facts.at = VirtAddr{at};
  facts.parent_task = VirtAddr{parent};
  facts.pid = pid;
  facts.tgid = pid;
  facts.comm = std::move(comm);
  facts.state = 'S';
  return facts;
}

TEST(PsTable, RunningTasksAreMarkedAndKernelThreadsBracketed) {
  TaskFacts running = task(1, "init", 0x1000, 0), thread = task(2, "kthreadd", 0x2000, 0);
  running.running = true;
  running.state = 'R';
  running.cpu = 3;
  running.rss = 512 << 10;
  running.vsize = 2 << 20;
  thread.kernel_thread = true;
  EXPECT_EQ(ps_table({running, thread}, 1 << 20),
            "   PID  PPID  CPU  TASK  ST  %MEM   VSZ  RSS  COMM\n"
            ">    1     0    3  1000  RU  50.0  2048  512  init\n"
            "     2     0    ?  2000  IN   0.0     0    0  [kthreadd]\n");
}

TEST(PsTable, WithoutTheSizeOfMemoryThereIsNoShare) {
  EXPECT_THAT(ps_table({task(1, "init", 0x1000, 0)}, 0), HasSubstr("   ?    0    0  init"));
}

TEST(PsParents, TheChainBeginsWithTheFirstAncestor) {
  const std::vector<TaskFacts> all{task(1, "init", 0x1000, 0), task(7, "shell", 0x2000, 0x1000),
                                   task(9, "ls", 0x3000, 0x2000)};
  const std::string text = ps_parents(all[2], all);
  EXPECT_LT(text.find("PID: 1 "), text.find(" PID: 7 "));
  EXPECT_LT(text.find(" PID: 7 "), text.find("  PID: 9 "));
}

TEST(PsParents, ParentsThatAreEachOthersEndTheChain) {
  const std::vector<TaskFacts> all{task(1, "a", 0x1000, 0x2000), task(2, "b", 0x2000, 0x1000)};
  const std::string text = ps_parents(all[0], all);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
}

TEST(PsLastRun, TheLatestComesFirstAndOthersAreDatedByIt) {
  std::vector<TaskFacts> all{task(1, "old", 0x1000, 0), task(2, "new", 0x2000, 0),
                             task(3, "idle", 0x3000, 0)};
  all[0].last_run = 1'000'000'000;
  all[1].last_run = 3'500'000'000;
  all[2].last_run = 0;
  const std::string text = ps_last_run(all, all);
  EXPECT_THAT(text, HasSubstr("0.000000"));
  EXPECT_THAT(text, HasSubstr("2.500000"));
  EXPECT_THAT(text, HasSubstr("never"));
  EXPECT_LT(text.find("new"), text.find("old"));
}

TEST(PsTimes, TheAgeIsThatAtTheStop) {
  std::vector<TaskFacts> all{task(1, "init", 0x1000, 0)};
  all[0].started = 1'500'000'000;
  EXPECT_THAT(ps_times(all, 4.0), HasSubstr("2.500"));
  EXPECT_THAT(ps_times(all, std::nullopt), HasSubstr("?"));
}

TEST(TaskChoice, TasksAreNamedByPidAddressOrName) {
  const std::vector<TaskFacts> tasks{task(1, "init", 0x10, 0),
                                     task(20, "worker", 0xffff'8880'0000'1000, 0),
                                     task(21, "worker", 0x20, 0)};
  const auto choose = [&](std::vector<std::string> words) { return choose_tasks(tasks, words); };
  EXPECT_THAT(choose({"worker"}).value(), SizeIs(2));
  EXPECT_THAT(choose({"1", "0xffff888000001000"}).value(), SizeIs(2));
  EXPECT_EQ(choose({"ffff888000001000"}).value().front().pid, 20u);
  const auto none = choose({"wroker"});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().blame, Blame::kInput);
  EXPECT_THAT(none.error().what, HasSubstr("did you mean 'worker'"));
}

}  // namespace
}  // namespace rig::analyzer
