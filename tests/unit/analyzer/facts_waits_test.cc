// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/waits.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "fakes/mapped_core.h"
#include "fakes/orc_kernel.h"

namespace rig::analyzer {
namespace {

using fake::functions_of;
using fake::OrcKernel;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// As in struct task_struct of OrcKernel.
constexpr std::uint64_t kState = 16, kStackPointer = 32, kPid = 64, kComm = 80, kThreadSp = 104,
                        kTasks = 128, kThreadNode = 144, kSignal = 160, kLastRun = 168;
constexpr std::uint64_t kInit = OrcKernel::kData + 0x800, kLock = OrcKernel::kData + 0x300,
                        kOtherLock = OrcKernel::kData + 0x340;
constexpr std::uint64_t kObjects = 0xffff'8880'0600'0000, kStacks = 0xffff'c900'0100'0000;
constexpr std::uint64_t kUninterruptible = 2;
// Of both kinds of lock here: the owner's word, the list; of both waiters: the list, the task.
constexpr std::uint64_t kOwner = 0, kWaitList = 16, kWaiterTask = 16;
constexpr std::uint64_t kFrame = 0x3000;  // of a task's stack: what it was switched away with
constexpr std::uint64_t kNow = 100;       // seconds, by jiffies

// A guest whose tasks all sleep, each on a stack of its own.
class Waits : public testing::Test {
 protected:
  enum class How { kMutex, kRwsem, kNothingKnown };

  Waits() {
    schedule_ = guest_.plain("schedule", 2);
    mutex_ = guest_.plain("__mutex_lock.constprop.0", 16);
    rwsem_ = guest_.plain("rwsem_down_write_slowpath", 16);
    work_ = guest_.plain("work_on_it", 1);
    fork_ = guest_.function("ret_from_fork");
    guest_.row({.address = fork_, .end = true});
    const int u64 = guest_.types.integer("unsigned long long", 8);
    const int pointer = guest_.types.pointer();
    const int list = guest_.types.structure("a_list", 16, {{"next", pointer, 0}});
    for (const char* lock : {"mutex", "rw_semaphore"}) {
      guest_.types.structure(lock, 32, {{"owner", u64, kOwner}, {"wait_list", list, kWaitList}});
    }
    for (const char* waiter : {"mutex_waiter", "rwsem_waiter"}) {
      guest_.types.structure(waiter, 32, {{"list", list, 0}, {"task", pointer, kWaiterTask}});
    }
    guest_.symbols = {{0x1'fb80, 'D', "current_task"},
                      {OrcKernel::kData + 0x240, 'D', "jiffies_64"},
                      {OrcKernel::kData + 0x248, 'D', "tick_nsec"},
                      {kLock, 'D', "big_lock"},
                      {kInit, 'D', "init_task"}};
    constexpr std::uint64_t kTicks = 250;
    put(OrcKernel::kData + 0x240, (1ull << 32) - 300 * kTicks + kNow * kTicks);
    put(OrcKernel::kData + 0x248, 1'000'000'000 / kTicks);
    put(OrcKernel::kPerCpu + 0x1'fb80, kInit);
    guest_.memory.put_text(kInit + kComm, "swapper/0");
    put(kInit + kSignal, 0);
    list_of(kLock + kWaitList, {});
    list_of(kOtherLock + kWaitList, {});
  }

  void put(std::uint64_t at, std::uint64_t value) { guest_.memory.put(at, value); }
  // A list_head and those that are linked into it.
  void list_of(std::uint64_t head, const std::vector<std::uint64_t>& nodes) {
    std::uint64_t last = head;
    for (const std::uint64_t node : nodes) {
      put(last, node);
      put(node + 8, last);
      last = node;
    }
    put(last, head);
    put(head + 8, last);
  }

  // A task in state D that got the CPU for the last time at `seconds`.
  std::uint64_t task(const std::string& comm, How how, std::uint64_t seconds = 1) {
    const std::uint64_t number = tasks_.size() + 1;
    const std::uint64_t at = kObjects + number * 0x1000, stack = kStacks + number * 0x1'0000;
    for (std::uint64_t i = 0; i < OrcKernel::kStackSize; i += 8) put(stack + i, 0);
    const std::uint64_t signal = at + 0x800;
    guest_.memory.put(at + kPid, static_cast<std::uint32_t>(number));
    guest_.memory.put(at + kState, static_cast<std::uint32_t>(kUninterruptible));
    guest_.memory.put_text(at + kComm, comm);
    put(at + kStackPointer, stack);
    put(at + kThreadSp, stack + kFrame);
    put(at + kLastRun, seconds * 1'000'000'000);
    put(at + kSignal, signal);
    list_of(signal, {at + kThreadNode});
    tasks_.push_back(at);
    std::uint64_t sp = stack + kFrame + 48;
    put(sp, guest_.after_call(schedule_, 0x40));
    sp += 8 + 2 * 8;  // the words of schedule()
    if (how != How::kNothingKnown) {
      put(sp, guest_.after_call(how == How::kMutex ? mutex_ : rwsem_, 0x80));
      sp += 8 + 16 * 8;
    }
    put(sp, guest_.after_call(work_, 0x20));
    put(sp + 8 + 8, guest_.after_call(fork_, 0x22));
    return at;
  }
  // Where on its stack its struct mutex_waiter is: in the frame of who waits.
  std::uint64_t waiter_of(std::uint64_t task, std::uint64_t at = kFrame + 0x70) {
    const std::uint64_t waiter = kStacks + (task - kObjects) / 0x1000 * 0x1'0000 + at;
    put(waiter + kWaiterTask, task);
    return waiter;
  }

  std::vector<WaitFacts> waits() {
    std::vector<std::uint64_t> leaders;
    for (const std::uint64_t task : tasks_) leaders.push_back(task + kTasks);
    list_of(kInit + kTasks, leaders);
    guest_.kernel();
    fake::MappedCore mapped(guest_.memory, guest_.lines);
    mapped.cpu(work_ + 0x10, OrcKernel::kIrqStack, OrcKernel::kPerCpu);
    const auto path = std::filesystem::path(testing::TempDir()) /
                      fmt::format("waits-{}.core", static_cast<const void*>(this));
    EXPECT_TRUE(mapped.core.write(path, fakes::CoreFormat::kElf));
    auto core = Core::open(path);
    std::filesystem::remove(path);
    EXPECT_TRUE(core) << (core ? "" : core.error().message());
    Session session(*std::move(core));
    return wait_facts(session, remarks_);
  }
  // Of the only task.
  std::optional<LockFacts> lock() {
    const auto all = waits();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? std::nullopt : all.front().lock;
  }

  OrcKernel guest_;
  std::uint64_t schedule_ = 0, mutex_ = 0, rwsem_ = 0, work_ = 0, fork_ = 0;
  std::vector<std::uint64_t> tasks_;
  std::vector<std::string> remarks_;
};

TEST_F(Waits, MutexTellsItsNameAndWhoHasIt) {
  const auto writer = task("writer", How::kMutex), holder = task("holder", How::kNothingKnown);
  list_of(kLock + kWaitList, {waiter_of(writer)});
  put(kLock + kOwner, holder | 1);  // MUTEX_FLAG_WAITERS
  const auto all = waits();
  ASSERT_EQ(all.size(), 2u);
  ASSERT_TRUE(all[0].lock);
  EXPECT_EQ(all[0].comm, "writer");
  EXPECT_EQ(all[0].lock->kind, "mutex");
  EXPECT_EQ(all[0].lock->at, VirtAddr{kLock});
  EXPECT_EQ(all[0].lock->name, "big_lock");
  EXPECT_EQ(all[0].lock->owner, VirtAddr{holder});
  EXPECT_EQ(all[0].lock->owner_comm, "holder");
  EXPECT_EQ(all[0].lock->owner_pid, 2u);
  EXPECT_THAT(functions_of(all[0].backtrace),
              ElementsAre("schedule", "__mutex_lock.constprop.0", "work_on_it", "ret_from_fork"));
  EXPECT_THAT(remarks_, IsEmpty());
}

TEST_F(Waits, TaskThatWaitsForNothingKnownHasABackTraceAndNoLock) {
  const auto sleeper = task("sleeper", How::kNothingKnown);
  list_of(kLock + kWaitList, {waiter_of(sleeper)});  // but its functions take no lock
  const auto all = waits();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_FALSE(all[0].lock);
  EXPECT_THAT(functions_of(all[0].backtrace),
              ElementsAre("schedule", "work_on_it", "ret_from_fork"));
}

TEST_F(Waits, OnlyTasksThatNothingElseWakesAreToldTheLongestFirst) {
  task("late", How::kNothingKnown, 90);
  task("early", How::kNothingKnown, 10);
  const auto runnable = task("runnable", How::kNothingKnown);
  guest_.memory.put(runnable + kState, std::uint32_t{0});
  const auto all = waits();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].comm, "early");
  EXPECT_NEAR(all[0].seconds.value_or(0), 90, 1e-6);
  EXPECT_EQ(all[1].comm, "late");
  EXPECT_NEAR(all[1].seconds.value_or(0), 10, 1e-6);
}

TEST_F(Waits, SeveralWaitersLeadToTheSameLock) {
  const auto one = task("one", How::kMutex), two = task("two", How::kMutex),
             three = task("three", How::kMutex);
  list_of(kLock + kWaitList, {waiter_of(two), waiter_of(three), waiter_of(one)});
  for (const WaitFacts& each : waits()) {
    ASSERT_TRUE(each.lock) << each.comm;
    EXPECT_EQ(each.lock->at, VirtAddr{kLock}) << each.comm;
    EXPECT_EQ(raw(each.lock->owner), 0u) << "handed on just now: nobody has it";
  }
}

TEST_F(Waits, RwsemOfAWriterTellsIt) {
  const auto reader = task("reader", How::kRwsem), writer = task("writer", How::kNothingKnown);
  list_of(kLock + kWaitList, {waiter_of(reader)});
  put(kLock + kOwner, writer | 2);  // RWSEM_NONSPINNABLE
  const auto all = waits();
  ASSERT_TRUE(all.at(0).lock);
  EXPECT_EQ(all[0].lock->kind, "rwsem");
  EXPECT_EQ(all[0].lock->owner_comm, "writer");
}

TEST_F(Waits, RwsemOfReadersHasNoOwnerWhateverItsWordSays) {
  const auto writer = task("writer", How::kRwsem), reader = task("reader", How::kNothingKnown);
  list_of(kLock + kWaitList, {waiter_of(writer)});
  put(kLock + kOwner, reader | 1);  // RWSEM_READER_OWNED: the last one that took it
  const auto all = waits();
  ASSERT_TRUE(all.at(0).lock);
  EXPECT_EQ(raw(all[0].lock->owner), 0u);
  EXPECT_EQ(all[0].lock->owner_comm, "");
}

TEST_F(Waits, LockWithoutASymbolIsToldByItsAddress) {
  const auto writer = task("writer", How::kMutex);
  constexpr std::uint64_t kOnHeap = kObjects + 0x80'0000;
  list_of(kOnHeap + kWaitList, {waiter_of(writer)});
  put(kOnHeap + kOwner, 0);
  const auto found = lock();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->at, VirtAddr{kOnHeap});
  EXPECT_EQ(found->name, "");
}

// What an earlier wait has left below, or a local variable that holds the task.
TEST_F(Waits, WordsThatOnlyLookLikeAWaiterArePassed) {
  const auto writer = task("writer", How::kMutex), holder = task("holder", How::kNothingKnown);
  put(waiter_of(writer, kFrame + 0x50), 0xdead'beef);
  list_of(kLock + kWaitList, {waiter_of(writer)});
  put(kLock + kOwner, holder);
  const auto all = waits();
  ASSERT_TRUE(all.at(0).lock);
  EXPECT_EQ(all[0].lock->owner_comm, "holder");
}

TEST_F(Waits, LockOwnedByWhatIsNoTaskIsNone) {
  const auto writer = task("writer", How::kMutex);
  list_of(kLock + kWaitList, {waiter_of(writer)});
  put(kLock + kOwner, 0x6b6b'6b6b'6b6b'6b6b);
  EXPECT_FALSE(lock());
}

TEST_F(Waits, ListWithoutAHeadIsNoLocks) {
  const auto one = task("one", How::kMutex), two = task("two", How::kMutex);
  // Two waiters in a circle, and no lock between them.
  list_of(waiter_of(one), {waiter_of(two)});
  for (const WaitFacts& each : waits()) EXPECT_FALSE(each.lock) << each.comm;
}

TEST_F(Waits, WaiterThatIsItsOwnListIsNoLocks) {
  const auto writer = task("writer", How::kMutex);
  list_of(waiter_of(writer), {});
  EXPECT_FALSE(lock());
}

TEST_F(Waits, ListThatDoesNotLeadBackIsBroken) {
  const auto writer = task("writer", How::kMutex);
  const auto waiter = waiter_of(writer);
  list_of(kLock + kWaitList, {waiter});
  put(kLock + kWaitList + 8, kOtherLock + kWaitList);  // prev of what is behind it
  EXPECT_FALSE(lock());
}

TEST_F(Waits, ListThatLeavesTheCoreIsBroken) {
  const auto writer = task("writer", How::kMutex);
  list_of(kLock + kWaitList, {waiter_of(writer)});
  put(waiter_of(writer), 0xffff'8880'7777'0000);
  EXPECT_FALSE(lock());
}

// The third leads back to the second: the walk would never come back to the first.
TEST_F(Waits, ListThatRunsInACircleBehindItsStartIsBroken) {
  const auto first = waiter_of(task("one", How::kMutex)),
             second = waiter_of(task("two", How::kMutex)),
             third = waiter_of(task("three", How::kMutex));
  list_of(kLock + kWaitList, {first, second, third});
  put(third, second);
  for (const WaitFacts& each : waits()) EXPECT_FALSE(each.lock) << each.comm;
}

TEST_F(Waits, MoreThanAreToldAreCounted) {
  for (std::size_t i = 0; i < kMaxWaits + 3; ++i) task("sleeper", How::kNothingKnown);
  EXPECT_EQ(waits().size(), kMaxWaits);
  EXPECT_THAT(remarks_, ElementsAre(HasSubstr("67 wait uninterruptibly")));
}

}  // namespace
}  // namespace rig::analyzer
