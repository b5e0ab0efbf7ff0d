// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/tasks.h"

#include <gmock/gmock.h>

#include "analyzer/facts/task_facts.h"
#include "fakes/fake_guest.h"

namespace rig::analyzer {
namespace {

using fake::FakeGuest;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

// init_task, and tasks that are on the list, in the table of PIDs, or both. One CPU.
class TaskList : public testing::Test {
 protected:
  TaskList() {
    guest.type("xa_node", {{"shift", guest.u32}, {"slots", guest.array(guest.pointer, 64)}});
    const int xarray = guest.type("xarray", {{"xa_head", guest.pointer}});
    const int idr = guest.type("idr", {{"idr_rt", xarray}});
    guest.type("pid_namespace", {{"idr", idr}});
    guest.type("pid", {{"count", guest.u64}, {"tasks", guest.array(guest.hlist_head, 4)}});
    guest.type("signal_struct", {{"thread_head", guest.list_head}});
    guest.type("rq", {{"cpu", guest.u32}, {"idle", guest.pointer}});
    const int info = guest.type("thread_info", {{"cpu", guest.u32}});
    const int rss = guest.type("mm_rss_stat", {{"count", guest.array(guest.atomic64, 4)}});
    guest.type("mm_struct", {{"total_vm", guest.u64}, {"rss_stat", rss}});
    guest.type("task_struct", {{"thread_info", info},
                               {"__state", guest.u32},
                               {"exit_state", guest.u32},
                               {"flags", guest.u32},
                               {"pid", guest.u32},
                               {"tgid", guest.u32},
                               {"stack", guest.pointer},
                               {"comm", guest.comm},
                               {"tasks", guest.list_head},
                               {"thread_node", guest.list_head},
                               {"signal", guest.pointer},
                               {"real_parent", guest.pointer},
                               {"mm", guest.pointer},
                               {"pid_links", guest.array(guest.hlist_node, 4)}});
    init = task(0, "swapper/0");
    slots = guest.make("xa_node");
    space = guest.make("pid_namespace");
    guest.set(space, "pid_namespace.idr.idr_rt.xa_head", raw(slots) | 2);
    guest.symbol("init_task", init);
    guest.symbol("init_pid_ns", space);
    guest.link(guest.place(init, "task_struct.tasks"), "task_struct.tasks", {});
  }

  VirtAddr task(std::uint64_t pid, std::string_view comm) {
    const VirtAddr at = guest.make("task_struct");
    guest.set(at, "task_struct.pid", pid);
    guest.set(at, "task_struct.tgid", pid);
    guest.set_text(at, "task_struct.comm", comm);
    const VirtAddr signal = guest.make("signal_struct");
    guest.set(at, "task_struct.signal", signal);
    guest.link(guest.place(signal, "signal_struct.thread_head"), "task_struct.thread_node", {at});
    return at;
  }
  void list(const std::vector<VirtAddr>& leaders) {
    guest.link(guest.place(init, "task_struct.tasks"), "task_struct.tasks", leaders);
  }
  void number(VirtAddr task, unsigned slot) {
    const VirtAddr pid = guest.make("pid");
    guest.memory.put(raw(guest.place(pid, "pid.tasks")),
                     raw(guest.place(task, "task_struct.pid_links")));
    guest.memory.put(raw(guest.place(slots, "xa_node.slots")) + slot * 8, raw(pid));
  }
  std::vector<std::string> names() {
    remarks.clear();
    std::vector<std::string> all;
    for (const Task& each : all_tasks(guest.kernel(), architecture(Arch::kX86_64), remarks)) {
      all.push_back(each.comm);
    }
    return all;
  }

  FakeGuest guest;
  VirtAddr init{}, slots{}, space{};
  std::vector<std::string> remarks;
};

TEST_F(TaskList, LeadersAndThreadsAreFoundOnce) {
  const VirtAddr one = task(1, "init"), two = task(2, "worker"), thread = task(3, "thread");
  const auto signal = FieldReader(guest.kernel()).pointer(two, "task_struct.signal");
  guest.link(guest.place(*signal, "signal_struct.thread_head"), "task_struct.thread_node",
             {two, thread});
  list({one, two});
  number(one, 1);
  number(two, 2);
  number(thread, 3);
  EXPECT_THAT(names(), ElementsAre("swapper/0", "init", "worker", "thread"));
  EXPECT_THAT(remarks, IsEmpty());
}

TEST_F(TaskList, ATaskThatOnlyTheTableOfPidsKnowsIsFoundAndRemarked) {
  const VirtAddr one = task(1, "init"), hidden = task(66, "rootkit");
  list({one});
  number(one, 1);
  number(hidden, 9);
  EXPECT_THAT(names(), ElementsAre("swapper/0", "init", "rootkit"));
  EXPECT_THAT(remarks, ElementsAre(HasSubstr("on no list: 66 (rootkit)")));
}

TEST_F(TaskList, ATaskThatTheTableOfPidsDoesNotKnowIsRemarked) {
  const VirtAddr one = task(1, "init"), two = task(2, "unhashed");
  list({one, two});
  number(one, 1);
  EXPECT_THAT(names(), SizeIs(3));
  EXPECT_THAT(remarks, ElementsAre(HasSubstr("not in the table of PIDs: 2 (unhashed)")));
}

TEST_F(TaskList, IdleTasksOfOtherCpusAreFoundThroughTheirRunqueues) {
  const VirtAddr queues = guest.room(0x2000), offsets = guest.room(16);
  const VirtAddr idle = task(0, "swapper/1");
  for (unsigned cpu = 0; cpu < 2; ++cpu) {
    const VirtAddr queue = queues + cpu * 0x1000;
    guest.set(queue, "rq.cpu", cpu);
    guest.set(queue, "rq.idle", cpu == 0 ? init : idle);
    guest.memory.put(raw(offsets) + cpu * 8, raw(queue) - 0x100);
  }
  guest.symbol("runqueues", VirtAddr{0x100});
  guest.symbol("__per_cpu_offset", offsets);
  guest.variable("nr_cpu_ids", 2);
  EXPECT_THAT(names(), ElementsAre("swapper/0", "swapper/1"));
  EXPECT_THAT(remarks, IsEmpty());
}

TEST_F(TaskList, AListThatRunsInACircleEndsWithARemark) {
  const VirtAddr one = task(1, "init"), two = task(2, "worker");
  list({one, two});
  // The second leads back to the first, not to the head.
  guest.memory.put(raw(guest.place(two, "task_struct.tasks")),
                   raw(guest.place(one, "task_struct.tasks")));
  number(one, 1);
  number(two, 2);
  EXPECT_THAT(names(), ElementsAre("swapper/0", "init", "worker"));
  EXPECT_THAT(remarks, Contains(HasSubstr("runs in a circle")));
}

TEST_F(TaskList, AListThatLeavesTheCoreStillGivesWhatTheTableOfPidsKnows) {
  const VirtAddr one = task(1, "init"), two = task(2, "worker");
  list({one});
  guest.memory.put(raw(guest.place(one, "task_struct.tasks")), std::uint64_t{0xdead'0000'0000});
  number(one, 1);
  number(two, 2);
  EXPECT_THAT(names(), UnorderedElementsAre("swapper/0", "init", "worker"));
  EXPECT_THAT(remarks, Contains(HasSubstr("is broken")));
}

TEST_F(TaskList, ATableOfPidsThatContainsItselfEndsWithARemark) {
  const VirtAddr one = task(1, "init");
  list({one});
  guest.memory.put(raw(guest.place(slots, "xa_node.slots")), raw(slots) | 2);
  EXPECT_THAT(names(), SizeIs(2));
  EXPECT_THAT(remarks, ElementsAre(HasSubstr("table of PIDs is broken")));
}

TEST_F(TaskList, ATableOfPidsWhoseSlotsAllLeadToOneNodeIsBounded) {
  // 64 slots lead to one node, on each of ten levels: 64^10 ways, all of them empty.
  VirtAddr below = guest.make("xa_node");
  for (unsigned level = 1; level <= 10; ++level) {
    const VirtAddr node = guest.make("xa_node");
    guest.set(node, "xa_node.shift", level * 6);
    for (unsigned slot = 0; slot < 64; ++slot) {
      guest.memory.put(raw(guest.place(node, "xa_node.slots")) + slot * 8, raw(below) | 2);
    }
    below = node;
  }
  guest.set(space, "pid_namespace.idr.idr_rt.xa_head", raw(below) | 2);
  names();
  EXPECT_THAT(remarks, Contains(HasSubstr("table of PIDs is broken")));
}

TEST_F(TaskList, WhatATaskIsDoingIsReadFromItsTaskStruct) {
  const VirtAddr at = task(42, "writer"), parent = task(7, "shell");
  const VirtAddr mm = guest.make("mm_struct");
  guest.set(at, "task_struct.__state", 2);
  guest.set(at, "task_struct.thread_info.cpu", 3);
  guest.set(at, "task_struct.real_parent", parent);
  guest.set(at, "task_struct.mm", mm);
  guest.set(mm, "mm_struct.total_vm", 10);
  const VirtAddr counts = guest.place(mm, "mm_struct.rss_stat.count");
  const std::uint64_t pages[] = {1, 2, 99, static_cast<std::uint64_t>(-5)};  // the third: swap
  guest.memory.put(raw(counts), pages);
  const Kernel& kernel = guest.kernel();
  const auto known = read_task(kernel, architecture(Arch::kX86_64), at);
  ASSERT_TRUE(known);
  const TaskFacts facts = TaskReader(kernel, 4096).read(*known);
  EXPECT_EQ(facts.pid, 42u);
  EXPECT_EQ(facts.parent, 7u);
  EXPECT_EQ(facts.state, 'D');
  EXPECT_EQ(facts.cpu, 3u);
  EXPECT_EQ(facts.vsize, 10u * 4096);
  EXPECT_EQ(facts.rss, 3u * 4096);  // a negative count is none
  EXPECT_FALSE(facts.kernel_thread);
  EXPECT_EQ(facts.uid, std::nullopt);  // this kernel's task_struct has no real_cred
}

TEST(TaskState, LettersAreThoseOfProc) {
  const std::tuple<std::uint64_t, std::uint64_t, char> kCases[] = {
      {0, 0, 'R'},       {0x1, 0, 'S'},     {0x2, 0, 'D'},    {0x102, 0, 'D'},
      {0x402, 0, 'I'},   {0x104, 0, 'T'},   {0x8, 0, 't'},    {0x40, 0, 'P'},
      {0x80, 0x20, 'Z'}, {0x80, 0x10, 'X'}, {0x80, 0, 'R'},   {0x2001, 0, 'S'},
      {0x8000, 0, 'D'},  {0x1000, 0, 'D'},  {0x2402, 0, 'I'}, {0x800, 0, 'R'}};
  for (const auto& [state, exit_state, letter] : kCases) {
    EXPECT_EQ(task_state(state, exit_state).letter, letter) << std::hex << state;
  }
  EXPECT_THAT(task_state(0x102, 0).words, HasSubstr("killable"));
}

TEST(TaskFlags, BitsWithoutANameAreShownAsANumber) {
  EXPECT_EQ(task_flag_words(0x20'8000), "PF_NOFREEZE | PF_KTHREAD");
  EXPECT_EQ(task_flag_words(0x200'0004), "PF_EXITING | 0x2000000");
  EXPECT_EQ(task_flag_words(0), "");
}

}  // namespace
}  // namespace rig::analyzer
